package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"unicode/utf8"
)

const (
	keyBytes   = 1024
	valueBytes = 8 << 20
)

var (
	namespaceForm = regexp.MustCompile(`^[A-Za-z0-9]+(\.[A-Za-z0-9]+)*$`)
	signatureForm = regexp.MustCompile(`^[A-Za-z0-9+/=_.:-]{1,512}$`)
)

// envelope is a value as it travels; a field that was not there is not there again.
type envelope struct {
	Type      string            `json:"type"`
	Data      string            `json:"data"`
	Encoding  string            `json:"encoding"`
	Meta      map[string]string `json:"meta,omitzero"`
	Signature string            `json:"signature,omitempty"`
}

// digest is that of REG-ENV-05.
func (e *envelope) digest() string {
	hash := sha256.New()
	for _, text := range []string{e.Type, e.Encoding, e.Data} {
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		hash.Write([]byte(text))
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil))
}

func checkNamespace(name string) error {
	if len(name) > 255 || !namespaceForm.MatchString(name) {
		return newProblem(422, "invalid_namespace", "A namespace is ASCII letters and digits, set apart by single dots")
	}
	return nil
}

func checkKey(key string) error {
	if len(key) < 1 || len(key) > keyBytes {
		return newProblem(422, "invalid_key", "A key has 1 to %d bytes, not %d", keyBytes, len(key))
	}
	return nil
}

// fields is the object that a value is, which has all that is required and nothing that is unknown.
func fields(value any, pointer, code string, required []string, optional ...string) (map[string]any, error) {
	object, is := value.(map[string]any)
	if !is {
		return nil, malformed(code, pointer, "it is not an object")
	}
	for _, name := range required {
		if _, there := object[name]; !there {
			return nil, malformed(code, pointer, name+" is missing")
		}
	}
	for name := range object {
		if !slices.Contains(required, name) && !slices.Contains(optional, name) {
			return nil, malformed(code, pointer, "a field is not known")
		}
	}
	return object, nil
}

// keyOf is the key that an envelope in a body spells.
func keyOf(value any, pointer string) (string, error) {
	object, err := fields(value, pointer, "invalid_key", []string{"type", "data", "encoding"})
	if err != nil {
		return "", err
	}
	data, isText := object["data"].(string)
	if object["type"] != "json" || object["encoding"] != "json" || !isText || utf8.RuneCountInString(data) > 12290 {
		return "", malformed("invalid_key", pointer, "a key is a short envelope of type json")
	}
	spelled, err := strictJSON([]byte(data))
	if err != nil {
		return "", malformed("invalid_key", pointer, err.Error())
	}
	key, isText := spelled.(string)
	if !isText {
		return "", malformed("invalid_key", pointer, "its data spells no JSON string")
	}
	return key, checkKey(key)
}

// envelopeOf is the envelope that a value is, of the right form and size.
func envelopeOf(value any, pointer string) (*envelope, error) {
	const code = "malformed_envelope"
	object, err := fields(value, pointer, code, []string{"type", "data", "encoding"}, "meta", "signature")
	if err != nil {
		return nil, err
	}
	pair := [2]any{object["type"], object["encoding"]}
	if pair != [2]any{"json", "json"} && pair != [2]any{"pickle", "base64"} {
		return nil, malformed(code, pointer, "the pairs are json with json, pickle with base64")
	}
	data, isText := object["data"].(string)
	if !isText {
		return nil, malformed(code, pointer+"/data", "it is no text")
	}
	made := &envelope{Type: pair[0].(string), Encoding: pair[1].(string), Data: data}
	if made.Meta, err = metaOf(object, pointer+"/meta"); err != nil {
		return nil, err
	}
	if signature, there := object["signature"]; there {
		text, _ := signature.(string)
		if !signatureForm.MatchString(text) {
			return nil, malformed(code, pointer+"/signature", "it does not fit its schema")
		}
		made.Signature = text
	}
	return made, made.checkData(pointer + "/data")
}

func metaOf(object map[string]any, pointer string) (map[string]string, error) {
	value, there := object["meta"]
	if !there {
		return nil, nil
	}
	entries, is := value.(map[string]any)
	if !is || len(entries) > 32 {
		return nil, malformed("malformed_envelope", pointer, "it is no object of at most 32 texts")
	}
	meta := make(map[string]string, len(entries))
	for name, entry := range entries {
		text, isText := entry.(string)
		if !isText || utf8.RuneCountInString(text) > 16384 {
			return nil, malformed("malformed_envelope", pointer, "its values are texts of at most 16,384 characters")
		}
		meta[name] = text
	}
	return meta, nil
}

func (e *envelope) checkData(pointer string) error {
	if len(e.Data) > valueBytes {
		return newProblem(http.StatusRequestEntityTooLarge, "value_too_large", "A value has at most %d bytes of data", valueBytes)
	}
	if e.Type == "json" {
		if _, err := strictJSON([]byte(e.Data)); err != nil {
			return malformed("malformed_envelope", pointer, fmt.Sprintf("not strict JSON: %v", err))
		}
		return nil
	}
	decoded, err := base64.StdEncoding.DecodeString(e.Data)
	if err != nil || base64.StdEncoding.EncodeToString(decoded) != e.Data {
		return malformed("malformed_envelope", pointer, "it is not canonical base64")
	}
	return nil
}
