"""What leaves the sandbox: notifications to the bot, events to the page, replies to a test."""
