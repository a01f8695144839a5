package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	jsonDepth     = 64
	integerDigits = 4300
)

// number is a number as it was spelled; what it is worth nobody here needs to know.
type number string

// strictJSON is the value that a text spells: a map, a slice, a string, a number, a bool or nil.
//
// encoding/json takes names twice, lone surrogates and invalid UTF-8, which REG-ENV-02 and REG-ERR-03 refuse.
func strictJSON(text []byte) (any, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8")
	}
	p := &parser{text: text}
	value, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(p.text) {
		return nil, p.unexpected()
	}
	return value, nil
}

type parser struct {
	text []byte
	at   int
}

func (p *parser) unexpected() error {
	if p.at >= len(p.text) {
		return errors.New("it ends too early")
	}
	return fmt.Errorf("unexpected %q at byte %d", p.text[p.at], p.at)
}

func (p *parser) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t' || p.text[p.at] == '\n' || p.text[p.at] == '\r') {
		p.at++
	}
}

// take goes past the byte if it comes next.
func (p *parser) take(b byte) bool {
	if p.at < len(p.text) && p.text[p.at] == b {
		p.at++
		return true
	}
	return false
}

func (p *parser) value(depth int) (any, error) {
	p.space()
	if p.at >= len(p.text) {
		return nil, p.unexpected()
	}
	switch c := p.text[p.at]; {
	case c == '{' || c == '[':
		if depth == jsonDepth {
			return nil, fmt.Errorf("it nests deeper than %d levels", jsonDepth)
		}
		p.at++
		if c == '{' {
			return p.object(depth + 1)
		}
		return p.array(depth + 1)
	case c == '"':
		p.at++
		return p.string()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for word, value := range map[string]any{"true": true, "false": false, "null": nil} {
		if end := p.at + len(word); end <= len(p.text) && string(p.text[p.at:end]) == word {
			p.at = end
			return value, nil
		}
	}
	return nil, p.unexpected()
}

func (p *parser) object(depth int) (any, error) {
	object := map[string]any{}
	if p.space(); p.take('}') {
		return object, nil
	}
	for {
		if p.space(); !p.take('"') {
			return nil, p.unexpected()
		}
		name, err := p.string()
		if err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			return nil, errors.New("an object has one name twice")
		}
		if p.space(); !p.take(':') {
			return nil, p.unexpected()
		}
		if object[name], err = p.value(depth); err != nil {
			return nil, err
		}
		if p.space(); p.take('}') {
			return object, nil
		}
		if !p.take(',') {
			return nil, p.unexpected()
		}
	}
}

func (p *parser) array(depth int) (any, error) {
	array := []any{}
	if p.space(); p.take(']') {
		return array, nil
	}
	for {
		value, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
		if p.space(); p.take(']') {
			return array, nil
		}
		if !p.take(',') {
			return nil, p.unexpected()
		}
	}
}

// string is the text whose opening quote has been read.
func (p *parser) string() (string, error) {
	var text []byte
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == '"':
			p.at++
			return string(text), nil
		case c < ' ':
			return "", p.unexpected()
		case c == '\\':
			p.at++
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			text = utf8.AppendRune(text, r)
		default:
			text = append(text, c)
			p.at++
		}
	}
	return "", p.unexpected()
}

var escapes = map[byte]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape is what the escape stands for whose backslash has been read.
func (p *parser) escape() (rune, error) {
	if p.at >= len(p.text) {
		return 0, p.unexpected()
	}
	if r, short := escapes[p.text[p.at]]; short {
		p.at++
		return r, nil
	}
	first, err := p.unit()
	if err != nil || !utf16.IsSurrogate(first) {
		return first, err
	}
	if !p.take('\\') {
		return 0, errors.New("it holds a lone surrogate")
	}
	second, err := p.unit()
	if err != nil {
		return 0, err
	}
	if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
		return r, nil
	}
	return 0, errors.New("it holds a lone surrogate")
}

// unit is a UTF-16 code unit: u and four hexadecimal digits.
func (p *parser) unit() (rune, error) {
	if !p.take('u') || p.at+4 > len(p.text) {
		return 0, p.unexpected()
	}
	for _, c := range p.text[p.at : p.at+4] {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return 0, p.unexpected()
		}
	}
	unit, err := strconv.ParseUint(string(p.text[p.at:p.at+4]), 16, 16)
	p.at += 4
	return rune(unit), err
}

// number reads a number of RFC 8259 section 6, and minds the bounds.
func (p *parser) number() (any, error) {
	start := p.at
	p.take('-')
	whole := p.digits()
	if whole == 0 || whole > 1 && p.text[p.at-whole] == '0' {
		return nil, p.unexpected()
	}
	isInteger := true
	if p.take('.') {
		if isInteger = false; p.digits() == 0 {
			return nil, p.unexpected()
		}
	}
	if p.take('e') || p.take('E') {
		isInteger = false
		if !p.take('+') {
			p.take('-')
		}
		if p.digits() == 0 {
			return nil, p.unexpected()
		}
	}
	spelled := string(p.text[start:p.at])
	if isInteger && whole > integerDigits {
		return nil, fmt.Errorf("an integer has more than %d digits", integerDigits)
	}
	if worth, _ := strconv.ParseFloat(spelled, 64); !isInteger && math.IsInf(worth, 0) {
		return nil, errors.New("a number is beyond the range of a double")
	}
	return number(spelled), nil
}

func (p *parser) digits() int {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at - start
}
