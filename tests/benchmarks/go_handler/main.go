// The work of the handler for webhooks in the README of the Go SDK for Webex, without the server
// and without the printing: HMAC-SHA1 of the body, and encoding/json into a struct.
//
//	go run main.go BODY SIGNATURE SECRET
//
// For each number on a line of its input it does that so many times, and prints the seconds of CPU
// time that this took.
package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"syscall"
)

type messageData struct {
	ID          string `json:"id"`
	RoomID      string `json:"roomId"`
	PersonID    string `json:"personId"`
	PersonEmail string `json:"personEmail"`
	Created     string `json:"created"`
}

type notification struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	Resource  string      `json:"resource"`
	Event     string      `json:"event"`
	Filter    string      `json:"filter"`
	OrgID     string      `json:"orgId"`
	CreatedBy string      `json:"createdBy"`
	AppID     string      `json:"appId"`
	OwnerID   string      `json:"ownerId"`
	Status    string      `json:"status"`
	ActorID   string      `json:"actorId"`
	Data      messageData `json:"data"`
}

var errSignature = errors.New("the signature is wrong")

func parse(body []byte, headers http.Header, secret string) (*notification, error) {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write(body)
	if headers.Get("X-Webex-Signature") != hex.EncodeToString(mac.Sum(nil)) {
		return nil, errSignature
	}
	parsed := new(notification)
	if err := json.Unmarshal(body, parsed); err != nil {
		return nil, err
	}
	return parsed, nil
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func main() {
	body, secret := []byte(os.Args[1]), os.Args[3]
	headers := http.Header{"X-Webex-Signature": {os.Args[2]}}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		count, err := strconv.Atoi(lines.Text())
		if err != nil {
			log.Fatal(err)
		}
		started := cpuSeconds()
		for range count {
			parsed, err := parse(body, headers, secret)
			if err != nil || parsed.Resource != "messages" {
				log.Fatal(err)
			}
		}
		fmt.Println(cpuSeconds() - started)
	}
}
