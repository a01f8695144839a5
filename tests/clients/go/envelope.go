// Package clients is what a client needs beside the generated code: values as envelopes, digests, signatures.
package clients

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"namestead.dev/registry/tests/clients/go/registry"
)

// Key is a key as it travels in a body (REG-NAME-03).
func Key(key string) registry.KeyEnvelope {
	return registry.KeyEnvelope{
		Type: registry.KeyEnvelopeTypeJson, Data: text(key), Encoding: registry.KeyEnvelopeEncodingJson,
	}
}

// Encode makes an envelope of a value that encoding/json can spell.
func Encode(value any) registry.Envelope {
	return registry.Envelope{
		Type: registry.EnvelopeTypeJson, Data: text(value), Encoding: registry.EnvelopeEncodingJson,
	}
}

// Decode reads a JSON value into what the pointer points to. Pickles are left to Python.
func Decode(envelope registry.Envelope, pointer any) error {
	if envelope.Type != registry.EnvelopeTypeJson {
		return errors.New("not JSON: " + string(envelope.Type))
	}
	return json.Unmarshal([]byte(envelope.Data), pointer)
}

func text(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // a value that JSON cannot spell is the caller's mistake
	}
	return string(data)
}

// prefixed is the length in bytes, as 8 bytes, big-endian, and the field.
func prefixed(fields ...[]byte) []byte {
	var all []byte
	for _, field := range fields {
		all = append(binary.BigEndian.AppendUint64(all, uint64(len(field))), field...)
	}
	return all
}

// Digest is that of REG-ENV-05.
func Digest(envelope registry.Envelope) string {
	sum := sha256.Sum256(prefixed([]byte(envelope.Type), []byte(envelope.Encoding), []byte(envelope.Data)))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func metaForm(meta *registry.Meta) []byte {
	if meta == nil {
		return nil
	}
	form := binary.BigEndian.AppendUint64(nil, uint64(len(*meta)))
	for _, name := range slices.SortedFunc(maps.Keys(*meta), cmp.Compare[string]) {
		form = append(form, prefixed([]byte(name), []byte((*meta)[name]))...)
	}
	return form
}

// KeyID names a secret (docs/trust.md).
func KeyID(secret []byte) string {
	return hex.EncodeToString(mac(secret, []byte("namestead key id 1")))[:16]
}

func mac(secret, message []byte) []byte {
	hash := hmac.New(sha256.New, secret)
	hash.Write(message)
	return hash.Sum(nil)
}

// Sign is the signature of an envelope under a key of a namespace.
func Sign(secret []byte, namespace, key string, envelope registry.Envelope) string {
	id := KeyID(secret)
	meta, data := sha256.Sum256(metaForm(envelope.Meta)), sha256.Sum256([]byte(envelope.Data))
	input := prefixed(
		[]byte("namestead envelope signature 1"), []byte(id), []byte("hmac-sha256"), []byte(namespace), []byte(key),
		[]byte(envelope.Type), []byte(envelope.Encoding), meta[:], data[:],
	)
	return id + ":" + base64.StdEncoding.EncodeToString(mac(secret, input))
}

// Verify tells whether one of the secrets, by id, signed the envelope.
func Verify(secrets map[string][]byte, namespace, key string, envelope registry.Envelope) bool {
	if envelope.Signature == nil {
		return false
	}
	id, _, _ := strings.Cut(*envelope.Signature, ":")
	secret, known := secrets[id]
	return known && hmac.Equal([]byte(*envelope.Signature), []byte(Sign(secret, namespace, key, envelope)))
}

// Reference is the pickle of an importable object, in its only spelling (tests/vectors/references.json).
func Reference(module, qualname string) []byte {
	rest := append(memoized(module), memoized(qualname)...)
	rest = append(rest, 0x93, 0x94, '.') // STACK_GLOBAL, MEMOIZE, STOP
	frame := binary.LittleEndian.AppendUint64([]byte{0x80, 4, 0x95}, uint64(len(rest)))
	return append(frame, rest...)
}

func memoized(text string) []byte {
	size := []byte{0x8c, byte(len(text))}
	if len(text) > 255 {
		size = binary.LittleEndian.AppendUint32([]byte{'X'}, uint32(len(text)))
	}
	return append(append(size, text...), 0x94)
}
