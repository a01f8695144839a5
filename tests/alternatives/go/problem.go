package main

import (
	"fmt"
	"net/http"
)

// problem is an error as it travels (RFC 9457), with a stable code.
type problem struct {
	Type        string         `json:"type"`
	Title       string         `json:"title"`
	Status      int            `json:"status"`
	Detail      string         `json:"detail"`
	Code        string         `json:"code"`
	Suggestions []string       `json:"suggestions,omitempty"`
	Context     map[string]any `json:"context,omitempty"`
	Cursor      string         `json:"cursor,omitempty"`
	Current     *current       `json:"current,omitempty"`
	allow       string
}

func (p *problem) Error() string { return p.Detail }

func newProblem(status int, code, format string, arguments ...any) *problem {
	return &problem{
		Type: "/problems/" + code, Title: http.StatusText(status), Status: status,
		Detail: fmt.Sprintf(format, arguments...), Code: code,
	}
}

// malformed is about a part of a body; the pointer says which (RFC 6901).
func malformed(code, pointer, why string) *problem {
	p := newProblem(http.StatusUnprocessableEntity, code, "%s: %s", pointer, why)
	p.Context = map[string]any{"pointer": pointer}
	return p
}
