// Command stranger speaks an engine's protocol and attacks its worker as the params of a
// job say: it does what an engine could do that a picture has taken over.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging/vips"
)

func main() {
	protocol := vips.Protocol
	switch {
	case strings.HasSuffix(os.Args[0], "-of-old"):
		protocol = 0
	case strings.HasSuffix(os.Args[0], "-silent"):
		return
	}
	send(vips.FrameHello, vips.Hello{Protocol: protocol, Version: "stranger", Reads: []string{"image/png"}, Writes: []string{"png"}})
	in := bufio.NewReader(os.Stdin)
	for {
		kind, payload, err := vips.ReadFrame(in)
		if err != nil || kind != vips.FrameJob {
			return
		}
		var request vips.Request
		var params struct{ Do string }
		if json.Unmarshal(payload, &request) != nil || json.Unmarshal(request.Params, &params) != nil {
			return
		}
		switch params.Do { // before the image is read
		case "exit":
			fmt.Fprintln(os.Stderr, "secret: a stack trace")
			os.Exit(3)
		case "fail at once":
			send(vips.FrameFailure, vips.Failure{Kind: job.Unsupported, Message: "no such kind", Detail: "tag 7"})
		}
		var image []byte
		for {
			kind, payload, err := vips.ReadFrame(in)
			if err != nil {
				return
			}
			if kind == vips.FrameEnd {
				break
			}
			image = append(image, payload...)
		}
		if params.Do != "fail at once" {
			answer(params.Do, image)
		}
	}
}

func answer(do string, image []byte) {
	result := vips.Outcome{ContentType: "image/png", Width: 1, Height: 1}
	switch do {
	case "hang":
		time.Sleep(time.Hour)
	case "eat":
		var all [][]byte
		for {
			b := make([]byte, 16<<20)
			for i := range b {
				b[i] = 1
			}
			all = append(all, b)
			time.Sleep(time.Millisecond)
		}
	case "garbage":
		os.Stdout.WriteString("this is no frame at all")
	case "an endless frame":
		os.Stdout.Write([]byte{vips.FrameResult, 0xff, 0xff, 0xff, 0xff})
	case "another type":
		result.ContentType = "text/html"
		send(vips.FrameResult, result)
	case "no size":
		result.Width = -1
		send(vips.FrameResult, result)
	case "too much":
		send(vips.FrameResult, result)
		for {
			if vips.WriteFrame(os.Stdout, vips.FrameData, make([]byte, 1<<16)) != nil {
				os.Exit(0)
			}
		}
	case "half":
		send(vips.FrameResult, result)
		vips.WriteFrame(os.Stdout, vips.FrameData, []byte("half of it"))
		os.Exit(0)
	case "lie":
		send(vips.FrameFailure, vips.Failure{Kind: job.Denied, Message: "\x1b[31mtrust me", Detail: "x\ny"})
	case "shout":
		send(vips.FrameFailure, vips.Failure{Kind: job.Invalid, Message: "a\x00b\n" + strings.Repeat("c", 10_000)})
	case "environment":
		finish(result, []byte(strings.Join(os.Environ(), "\n")))
	case "pid":
		finish(result, fmt.Append(nil, os.Getpid()))
	default:
		send(vips.FrameProgress, vips.Progress{Fraction: 7, Note: "ignored"})
		send(vips.FrameProgress, vips.Progress{Fraction: 0.5, Note: "half\nway"})
		finish(result, image)
	}
}

func finish(result vips.Outcome, body []byte) {
	send(vips.FrameResult, result)
	for len(body) > 0 {
		n := min(len(body), 1000)
		vips.WriteFrame(os.Stdout, vips.FrameData, body[:n])
		body = body[n:]
	}
	send(vips.FrameDone, struct{}{})
}

func send(kind byte, message any) {
	if err := vips.WriteMessage(os.Stdout, kind, message); err != nil {
		if err != io.EOF {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}
