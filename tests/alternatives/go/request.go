package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const bodyBytes = 16 << 20

var (
	integerForm = regexp.MustCompile(`^-?[0-9]{1,9}$`)
	listOfETags = regexp.MustCompile(`^(\s*((W/)?"[^"\s]*"\s*)?(,|$))*$`)
	oneOfETags  = regexp.MustCompile(`(W/)?"([^"\s]*)"`)
)

type bounds struct{ least, most, default_ int }

var integers = map[string]bounds{"limit": {1, 1000, 100}, "suggest": {0, 10, 0}}

// fewest is how many characters a text of the query has at least.
var fewest = map[string]int{"prefix": 0, "page": 1}

// request is a request whose namespace, query and body have their form.
type request struct {
	http       *http.Request
	namespace  string
	texts      map[string]string
	numbers    map[string]int
	conditions map[string]string // the lists of ETags, or *, by field
	body       any
}

// unescaped is the text of a percent-encoded part of the query; a % without two digits stands for itself.
func unescaped(part string) (string, error) {
	var text []byte
	for i := 0; i < len(part); i++ {
		if part[i] == '%' && i+2 < len(part) {
			if code, err := strconv.ParseUint(part[i+1:i+3], 16, 8); err == nil {
				text = append(text, byte(code))
				i += 2
				continue
			}
		}
		text = append(text, part[i])
	}
	if !utf8.Valid(text) {
		return "", newProblem(400, "invalid_request", "The query is not percent-encoded UTF-8")
	}
	return string(text), nil
}

// readQuery checks the parameters, and fills in what was left out.
func (r *request) readQuery(known []string) error {
	for part := range strings.SplitSeq(r.http.URL.RawQuery, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(strings.ReplaceAll(part, "+", " "), "=")
		name, err := unescaped(name)
		if err != nil {
			return err
		}
		if _, twice := r.texts[name]; twice || !slices.Contains(known, name) {
			return newProblem(422, "invalid_parameter", "%q is unknown, or comes twice", name)
		}
		if r.texts[name], err = unescaped(value); err != nil {
			return err
		}
	}
	for _, name := range known {
		if err := r.checkParameter(name); err != nil {
			return err
		}
	}
	return nil
}

func (r *request) checkParameter(name string) error {
	text, given := r.texts[name]
	if name == "key" {
		return checkKey(text)
	}
	if limits, isInteger := integers[name]; isInteger {
		r.numbers[name] = limits.default_
		if !given {
			return nil
		}
		value, err := strconv.Atoi(text)
		if err != nil || !integerForm.MatchString(text) || value < limits.least || value > limits.most {
			return newProblem(422, "invalid_parameter", "%s is an integer from %d to %d", name, limits.least, limits.most)
		}
		r.numbers[name] = value
		return nil
	}
	if count := utf8.RuneCountInString(text); given && (count < fewest[name] || count > 1024) {
		return newProblem(422, "invalid_parameter", "%s does not fit its schema", name)
	}
	return nil
}

// readBody reads the body only if it is declared as it has to be, and not too large.
func (r *request) readBody(w http.ResponseWriter) error {
	kind, parameters, err := mime.ParseMediaType(r.http.Header.Get("Content-Type"))
	charset, has := parameters["charset"]
	plain := len(parameters) == 0 || len(parameters) == 1 && has && strings.EqualFold(charset, "utf-8")
	if err != nil || kind != "application/json" || !plain || r.http.Header.Values("Content-Encoding") != nil {
		return newProblem(415, "unsupported_media_type", "Send the body as application/json, in UTF-8, uncompressed")
	}
	tooLarge := newProblem(413, "limit_exceeded", "A body has at most %d bytes", bodyBytes)
	if r.http.ContentLength > bodyBytes {
		w.Header().Set("Connection", "close")
		return tooLarge
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.http.Body, bodyBytes))
	if err != nil {
		return tooLarge
	}
	if r.body, err = strictJSON(raw); err != nil {
		return newProblem(400, "invalid_json", "The body is not strict JSON: %v", err)
	}
	return nil
}

// checkConditions leaves no condition out: one that the operation does not honour, or that is malformed, is 400.
func (r *request) checkConditions(o operation) error {
	names := []string{"If-Match", "If-None-Match"}
	if o.writes {
		names = append(names, "If-Modified-Since", "If-Unmodified-Since", "If-Range")
	}
	for _, name := range names {
		lines := r.http.Header.Values(name)
		if lines == nil {
			continue
		}
		tags := strings.Trim(strings.Join(lines, ", "), " \t")
		wellFormed := tags == "*" || len(tags) <= 1024 && listOfETags.MatchString(tags) && strings.Contains(tags, `"`)
		if !wellFormed || !slices.Contains(o.conditions, name) {
			return newProblem(400, "invalid_request", "%s is malformed, or not a condition of this operation", name)
		}
		r.conditions[name] = tags
	}
	return nil
}

// matches tells whether If-Match holds, by the strong comparison; the etag is empty if there is no entry.
func (r *request) matches(etag string) bool {
	tags, given := r.conditions["If-Match"]
	return !given || etag != "" && named(tags, etag, false)
}

// names tells whether If-None-Match names the version that there is (RFC 9110, section 13.1.2).
func (r *request) names(etag string) bool {
	tags, given := r.conditions["If-None-Match"]
	return given && etag != "" && named(tags, etag, true)
}

// holds tells whether a write may be done where this is the entry.
func (r *request) holds(e *entry) bool {
	if e == nil {
		return r.matches("")
	}
	return r.matches(e.etag) && !r.names(e.etag)
}

// listing is what a page token ends with: it is of no other listing.
func (r *request) listing(name string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{name, r.namespace, r.texts["prefix"]}))
	return hex.EncodeToString(sum[:6])
}

func named(tags, etag string, weak bool) bool {
	if tags == "*" {
		return true
	}
	for _, found := range oneOfETags.FindAllStringSubmatch(tags, -1) {
		if found[2] == etag && (weak || found[1] == "") {
			return true
		}
	}
	return false
}

// namespaceOf is the namespace that a segment of the path spells.
func namespaceOf(segment string) (string, error) {
	name, err := url.PathUnescape(segment)
	if err != nil {
		name = segment
	}
	return name, checkNamespace(name)
}
