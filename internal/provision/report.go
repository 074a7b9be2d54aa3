package provision

import (
	"fmt"
	"io"
	"strings"
)

// signs are the marks before a step.
var signs = [...]string{Fine: "=", Create: "+", Change: "~", Left: "!", Unsupported: "?", Failed: "x", Done: "✓"}

// Write prints the plan for people: each thing as it is and as it should be.
func (p *Plan) Write(w io.Writer) error {
	var b strings.Builder
	on := ""
	for _, s := range p.Steps {
		if s.On != on {
			on = s.On
			fmt.Fprintf(&b, "%s\n", on)
		}
		s.write(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String returns the step as Write prints it.
func (s *Step) String() string {
	var b strings.Builder
	s.write(&b)
	return b.String()
}

// Outcome says in one line how the step ended.
func (s *Step) Outcome() string {
	line := fmt.Sprintf("%s %s: %s", signs[s.State], s.On, s.What)
	switch s.State {
	case Done:
		line += ": done"
		if s.Note != "" {
			line += "; " + s.Note
		}
	case Unsupported:
		line += ": " + s.Note
	case Failed:
		line += fmt.Sprintf(": %v", s.Err)
	}
	return line
}

func (s *Step) write(b *strings.Builder) {
	fmt.Fprintf(b, "  %s %s", signs[s.State], s.What)
	switch s.State {
	case Create, Change:
		fmt.Fprintf(b, "  (%s)", s.Call)
	case Unsupported:
		fmt.Fprintf(b, ": %s", s.Note)
	case Failed:
		fmt.Fprintf(b, ": %v", s.Err)
	}
	b.WriteByte('\n')
	if s.State == Unsupported || s.State == Failed {
		return
	}
	for _, d := range s.Diffs {
		switch {
		case d.Is == d.Should:
			fmt.Fprintf(b, "      %s: %s\n", d.Setting, d.Is)
		case d.Is == "":
			fmt.Fprintf(b, "      %s: (none) → %s\n", d.Setting, d.Should)
		case d.Should == "":
			fmt.Fprintf(b, "      %s: %s\n", d.Setting, d.Is)
		default:
			fmt.Fprintf(b, "      %s: %s → %s\n", d.Setting, d.Is, d.Should)
		}
	}
	if s.Note != "" {
		fmt.Fprintf(b, "      %s\n", s.Note)
	}
}

// Summary says in one line what the plan would do, or has done.
func (p *Plan) Summary() string {
	var words []string
	for _, c := range []struct {
		states []State
		text   string
	}{
		{[]State{Create}, "to create"}, {[]State{Change}, "to change"}, {[]State{Done}, "done"}, {[]State{Left}, "left to you"},
		{[]State{Unsupported}, "not supported here"}, {[]State{Failed}, "failed"},
	} {
		if n := p.Count(c.states...); n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, c.text))
		}
	}
	if p.Count(Create, Change, Done, Failed) == 0 {
		words = append([]string{"nothing to change"}, words...)
	}
	return strings.Join(words, ", ")
}

// WriteCommands writes the plan as a shell script of AWS command lines, with comments for
// steps that have none.
func (p *Plan) WriteCommands(w io.Writer) error {
	var b strings.Builder
	b.WriteString("#!/bin/sh\nset -eu\n")
	var proofs []*Step // one command for all, at the end
	for _, s := range p.Steps {
		switch s.State {
		case Create, Change:
			if s.proves {
				proofs = append(proofs, s)
				continue
			}
			fmt.Fprintf(&b, "\n# %s: %s\n%s\n", s.On, s.What, strings.Join(s.Commands, "\n"))
		case Left, Unsupported:
			fmt.Fprintf(&b, "\n# %s: %s: not done, %s\n", s.On, s.What, s.Note)
		case Failed:
			fmt.Fprintf(&b, "\n# %s: %s: not known, it could not be looked at\n", s.On, s.What)
		}
	}
	for i, s := range proofs {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "# %s: %s\n", s.On, s.What)
	}
	if len(proofs) > 0 {
		fmt.Fprintln(&b, strings.Join(proofs[0].Commands, "\n"))
	}
	if p.Count(Create, Change) == 0 {
		b.WriteString("\n# nothing to change\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
