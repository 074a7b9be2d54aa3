package command

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// progressFile is where a program tells how far it is: its first file beside the
// standard streams, by the name that lets a shell write to it.
const progressFile = "/dev/fd/3"

// progressPipe is our end of it.
type progressPipe struct {
	read, write *os.File
	ended       chan struct{}
}

// newProgressPipe gives the program its end.
func newProgressPipe(cmd *exec.Cmd) (*progressPipe, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{write}
	return &progressPipe{read, write, make(chan struct{})}, nil
}

// listen passes on what the program, which has been started or never will be, says until
// nobody holds its end any more. What is no progress is overheard.
func (p *progressPipe) listen(tell func(fraction float64, note string)) {
	p.write.Close() // the program has its own
	go func() {
		defer close(p.ended)
		defer p.read.Close()
		lines := bufio.NewReaderSize(p.read, 256)
		for {
			line, long, err := lines.ReadLine()
			for more := long; more && err == nil; {
				_, more, err = lines.ReadLine()
			}
			if err != nil {
				return
			}
			if long {
				continue
			}
			text, note, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
			if fraction, err := strconv.ParseFloat(text, 64); err == nil {
				tell(fraction, strings.TrimSpace(note))
			}
		}
	}()
}

// close waits for the last word, for a while, of a program that has ended.
func (p *progressPipe) close() {
	_ = p.read.SetReadDeadline(time.Now().Add(grace))
	<-p.ended
}
