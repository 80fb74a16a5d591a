package control

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// texts turns every byte around, and opens only what lies where it was sealed.
type texts struct{ fail error }

func turned(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = ^b[i]
	}
	return out
}

func (x *texts) SealText(_ context.Context, w Workspace, place string, text []byte) (SealedText, error) {
	return SealedText{Account: "ws", Generation: 1, Sealed: turned([]byte(string(w.CustomerID) + place + "\n" + string(text)))}, x.fail
}

func (x *texts) OpenTexts(_ context.Context, w Workspace, places []string, sealed []SealedText) ([][]byte, error) {
	var out [][]byte
	for i, s := range sealed {
		text, ok := bytes.CutPrefix(turned(s.Sealed), []byte(string(w.CustomerID)+places[i]+"\n"))
		if !ok {
			return nil, fault.New(fault.InternalServerError, "misplaced")
		}
		out = append(out, text)
	}
	return out, x.fail
}

func TestSavedSearchesAreKeptSealedAndReplacedByEtag(t *testing.T) {
	w := newWorld(t)
	sealer := &texts{}
	w.Service.texts = sealer
	ws := w.makeWorkspace("ws-1")
	id := ws.ID.Child("savedSearches", "Mine")
	text := SearchText{Category: "c", DisplayName: "Who was it", Query: "Secret_CL | where who == 'them'", FunctionAlias: "f", Tags: []SearchTag{{"Group", "Computer"}}}

	for name, c := range map[string]struct {
		id     resource.ID
		change func(*SearchText)
		want   fault.Code
	}{
		"no query":          {id, func(s *SearchText) { s.Query = " " }, fault.InvalidParameter},
		"no category":       {id, func(s *SearchText) { s.Category = "" }, fault.InvalidParameter},
		"an alias":          {id, func(s *SearchText) { s.FunctionAlias = "a b" }, fault.InvalidParameter},
		"too long":          {id, func(s *SearchText) { s.Query = strings.Repeat("x", maxSearchText) }, fault.InvalidParameter},
		"a name":            {ws.ID.Child("savedSearches", "a<b"), func(*SearchText) {}, fault.InvalidResourceName},
		"no such workspace": {w.id(resource.Workspace, "nowhere").Child("savedSearches", "a"), func(*SearchText) {}, fault.WorkspaceNotFound},
	} {
		s := text
		c.change(&s)
		_, err := w.SaveSearch(t.Context(), c.id, "", s)
		wants(t, name, err, c.want, "")
	}
	saved, err := w.SaveSearch(t.Context(), id, "", text)
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.cat.Get(t.Context(), id.String())
	if err != nil || bytes.Contains(res.Body, []byte("Secret")) || bytes.Contains(res.Body, []byte("Who")) {
		t.Fatalf("the catalog has %s, %v", res.Body, err)
	}
	got, err := w.SavedSearch(t.Context(), ws.ID.Child("savedsearches", "MINE"))
	if err != nil || got.Query != text.Query || got.ETag != saved.ETag || got.ID.Name() != "Mine" {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, etag := range []resource.ETag{"", "another"} {
		_, err = w.SaveSearch(t.Context(), id, etag, text)
		wants(t, "a replacement with etag "+string(etag), err, fault.PreconditionFailed, "etag")
	}
	text.Query = "print 2"
	for _, etag := range []resource.ETag{saved.ETag, "*"} {
		if got, err = w.SaveSearch(t.Context(), id, etag, text); err != nil || got.ETag == saved.ETag {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if _, err := w.SaveSearch(t.Context(), ws.ID.Child("savedSearches", "another"), "*", text); err != nil {
		t.Fatal(err)
	}
	all, err := w.SavedSearches(t.Context(), ws.ID)
	if err != nil || len(all) != 2 || all[0].Query != "print 2" || all[0].ID.Name() != "another" {
		t.Fatalf("%+v, %v", all, err)
	}

	// Without the key a search can be deleted only.
	sealer.fail = fault.New(fault.CustomerManagedKeyRevoked, "revoked")
	_, err = w.SavedSearches(t.Context(), ws.ID)
	wants(t, "reading without the key", err, fault.CustomerManagedKeyRevoked, "")
	_, err = w.SaveSearch(t.Context(), id, "*", text)
	wants(t, "writing without the key", err, fault.CustomerManagedKeyRevoked, "")
	if err := w.DeleteSearch(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	wants(t, "deleting twice", w.DeleteSearch(t.Context(), id), fault.ResourceNotFound, "")
	sealer.fail = nil
	_, err = w.SavedSearch(t.Context(), id)
	wants(t, "reading what is gone", err, fault.ResourceNotFound, "")
}
