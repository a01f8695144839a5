package main

import (
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
	strongETag  = regexp.MustCompile(`^"([^",]+)"$`)
	listOfETags = regexp.MustCompile(`^(W/)?"[^"]*"(\s*,\s*(W/)?"[^"]*")*$`)
	oneOfETags  = regexp.MustCompile(`"([^"]*)"`)
)

type bounds struct{ least, most, default_ int }

var integers = map[string]bounds{"limit": {1, 1000, 100}, "suggest": {0, 10, 0}}

// fewest is how many characters a text of the query has at least.
var fewest = map[string]int{"prefix": 0, "page": 1}

// request is a request whose namespace, query and body have their form.
type request struct {
	http      *http.Request
	namespace string
	texts     map[string]string
	numbers   map[string]int
	body      any
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

// writeCondition is what the entry is expected to be: absent, present, an ETag, or anything.
func (r *request) writeCondition() (string, error) {
	match, noneMatch := r.http.Header.Values("If-Match"), r.http.Header.Values("If-None-Match")
	switch {
	case match != nil && noneMatch != nil:
		return "", newProblem(400, "invalid_request", "If-Match and If-None-Match exclude each other on a write")
	case noneMatch != nil && strings.Join(noneMatch, ",") != "*":
		return "", newProblem(422, "invalid_parameter", "If-None-Match of a write is *")
	case noneMatch != nil:
		return absent, nil
	case match == nil:
		return anything, nil
	case len(match) == 1 && match[0] == "*":
		return present, nil
	}
	if found := strongETag.FindStringSubmatch(match[0]); found != nil && len(match) == 1 {
		return found[1], nil
	}
	return "", newProblem(400, "invalid_request", "If-Match of a write names one strong ETag, or is *")
}

// hasVersion tells whether If-None-Match names the version that there is (RFC 9110, section 13.1.2).
func (r *request) hasVersion(etag string) (bool, error) {
	names := strings.Join(r.http.Header.Values("If-None-Match"), ", ")
	if names == "" || names == "*" {
		return names == "*", nil
	}
	if !listOfETags.MatchString(names) {
		return false, newProblem(400, "invalid_request", "If-None-Match holds ETags in double quotes, or is *")
	}
	for _, found := range oneOfETags.FindAllStringSubmatch(names, -1) {
		if found[1] == etag {
			return true, nil
		}
	}
	return false, nil
}

// namespaceOf is the namespace that a segment of the path spells.
func namespaceOf(segment string) (string, error) {
	name, err := url.PathUnescape(segment)
	if err != nil {
		name = segment
	}
	return name, checkNamespace(name)
}
