package command

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// progressFile is the file to which a program writes its progress: its first one beside
// the standard streams, by a name that a shell can write to.
const progressFile = "/dev/fd/3"

// progressPipe is the worker's end of the pipe.
type progressPipe struct {
	read, write *os.File
	ended       chan struct{}
}

// newProgressPipe creates the pipe and gives the program its end.
func newProgressPipe(cmd *exec.Cmd) (*progressPipe, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{write}
	return &progressPipe{read, write, make(chan struct{})}, nil
}

// listen passes progress on until every process has closed the writing end. It also ends
// when the program was never started. It ignores lines that are not progress.
func (p *progressPipe) listen(report func(fraction float64, note string)) {
	p.write.Close() // the program has its own copy
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
				report(fraction, strings.TrimSpace(note))
			}
		}
	}()
}

// close waits a while for the last report of a program that has ended.
func (p *progressPipe) close() {
	_ = p.read.SetReadDeadline(time.Now().Add(grace))
	<-p.ended
}
