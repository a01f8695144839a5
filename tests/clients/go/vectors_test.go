package clients

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"testing"

	"namestead.dev/registry/tests/clients/go/registry"
)

type vector struct {
	Description string
	Envelope    json.RawMessage
	Digest      string
	Value       *json.RawMessage
	Namespace   string
	Signature   string
	Key         string
}

func (v vector) envelope(t *testing.T) (envelope registry.Envelope) {
	t.Helper()
	if err := json.Unmarshal(v.Envelope, &envelope); err != nil {
		t.Fatal(v.Description, err)
	}
	return envelope
}

type envelopes struct{ Valid, Malformed []vector }

func TestDigestsAreThoseOfTheVectors(t *testing.T) {
	client := connect(t)
	var file envelopes
	readJSON(t, "../../vectors/envelopes.json", &file)
	for _, v := range file.Valid {
		envelope := v.envelope(t)
		equal(t, v.Description, Digest(envelope), v.Digest)
		body := registry.SetEntryRequest{Key: Key(v.Description), Value: envelope}
		answer, err := client.SetEntryWithResponse(within(t), namespace(t), nil, body)
		if err != nil || answer.JSON200 == nil {
			t.Fatal(v.Description, err, answer)
		}
		equal(t, v.Description, answer.JSON200.Digest, v.Digest)
		if v.Value != nil {
			var found, wanted any
			if err := Decode(envelope, &found); err != nil {
				t.Fatal(v.Description, err)
			}
			json.Unmarshal(*v.Value, &wanted)
			equal(t, v.Description, found, wanted)
		}
	}
}

func TestMalformedEnvelopesAreRefused(t *testing.T) {
	client := connect(t)
	var file envelopes
	readJSON(t, "../../vectors/envelopes.json", &file)
	for _, v := range file.Malformed {
		body, _ := json.Marshal(map[string]any{"key": Key("k"), "value": v.Envelope})
		answer, err := client.SetEntryWithBodyWithResponse(
			within(t), namespace(t), nil, "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(v.Description, err)
		}
		if answer.ApplicationproblemJSON422 == nil && answer.ApplicationproblemJSON400 == nil {
			t.Fatalf("%s: answered %s", v.Description, answer.Status())
		}
	}
}

func TestSignaturesAreThoseOfTheVectors(t *testing.T) {
	var file struct {
		Keyring []struct {
			ID     string
			Secret []byte
		}
		Valid   []vector
		Refused []vector
	}
	readJSON(t, "../../vectors/signatures.json", &file)
	secrets := map[string][]byte{}
	for _, key := range file.Keyring {
		equal(t, "key id", KeyID(key.Secret), key.ID)
		secrets[key.ID] = key.Secret
	}
	for _, v := range file.Valid {
		envelope := v.envelope(t)
		envelope.Signature = &v.Signature
		if !Verify(secrets, v.Namespace, v.Key, envelope) {
			t.Fatal(v.Description)
		}
	}
	for _, v := range file.Refused {
		if Verify(secrets, v.Namespace, v.Key, v.envelope(t)) {
			t.Fatal("verified: " + v.Description)
		}
	}
}

func TestReferencesAreThoseOfTheVectors(t *testing.T) {
	var file struct {
		Valid []struct {
			Module, Qualname string
			Pickle           string `json:"pickle_hex"`
		}
	}
	readJSON(t, "../../vectors/references.json", &file)
	for _, v := range file.Valid {
		equal(t, v.Qualname, hex.EncodeToString(Reference(v.Module, v.Qualname)), v.Pickle)
	}
}
