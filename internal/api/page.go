package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"logkeep/internal/fault"
)

// Lists come in pages. Items have keys, pages are in the order of keys, and
// the link to the next page carries the last key of this one: so an item that
// stays is on exactly one page, whatever is added or removed meanwhile.
//
// The link's token is bound to the list, its filter and this process. It gives
// no rights (every page asks who is calling), so its seal keeps mistakes out
// rather than thieves; after a restart a client begins its list again.

// The sizes of pages where the client names none.
const (
	armPage   = 1000 // as the list of resources is documented
	graphPage = 100  // as the directory documents it; at most graphMost
	graphMost = 999
)

// A pager says how a list is cut. The zero one is ARM's.
type pager struct {
	link  string // the property that carries the link; "" is nextLink
	size  int    // of pages where $top is not given; 0 is armPage, below 0 whole lists
	most  int    // of $top; 0 is armPage
	count bool   // the answer says how many items it has, as the list of subscriptions does
}

// whole is for lists whose clients follow no link: they are told that there is
// none (nextLinkName null in the published descriptions). $top still cuts them.
var whole = pager{size: -1}

// writePage answers with the page of items that the request asks for. Items
// belong to it from here; key must be unique among them.
func writePage[T any](s *server, w http.ResponseWriter, r *http.Request, p pager, items []T, key func(T) string) error {
	size, err := p.top(r)
	if err != nil {
		return err
	}
	list := strings.ToLower(r.URL.Path) + "\x00" + option(r, "$filter")
	slices.SortStableFunc(items, func(a, b T) int { return strings.Compare(fold(key(a)), fold(key(b))) })
	if token := option(r, "$skiptoken"); token != "" {
		last, err := s.openToken(list, token)
		if err != nil {
			return err
		}
		items = items[upTo(items, func(v T) bool { return fold(key(v)) <= last }):]
	}
	body := map[string]any{}
	if size > 0 && len(items) > size {
		items = items[:size]
		link := p.link
		if link == "" {
			link = "nextLink"
		}
		body[link] = s.nextLink(r, s.sealToken(list, fold(key(items[size-1]))))
	}
	if items == nil {
		items = []T{}
	}
	body["value"] = items
	if p.count {
		body["count"] = map[string]any{"type": "Total", "value": len(items)}
	}
	return writeJSON(w, http.StatusOK, body)
}

// upTo is the number of items at the beginning for which before holds.
func upTo[T any](items []T, before func(T) bool) int {
	n := slices.IndexFunc(items, func(v T) bool { return !before(v) })
	if n < 0 {
		return len(items)
	}
	return n
}

func fold(s string) string { return strings.ToLower(s) }

// top is the size of pages for a request.
func (p pager) top(r *http.Request) (int, error) {
	size, most := p.size, p.most
	if size == 0 {
		size = armPage
	}
	if most == 0 {
		most = armPage
	}
	text := option(r, "$top")
	if text == "" {
		return size, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fault.New(fault.InvalidParameter, "The value '%.20s' of $top is not a positive number.", text).WithTarget("$top")
	}
	return min(n, most), nil
}

// nextLink is the URL of the next page: this request's, with the token.
// Clients fetch it as it is, so that everything must be in it.
func (s *server) nextLink(r *http.Request, token string) string {
	q := url.Values{}
	for name, v := range r.URL.Query() {
		if !strings.EqualFold(name, "$skiptoken") {
			q[name] = v
		}
	}
	q.Set("$skiptoken", token)
	return base(r) + r.URL.EscapedPath() + "?" + q.Encode()
}

const tokenMAC = 12 // bytes

func (s *server) tokenMAC(list, key string) []byte {
	h := hmac.New(sha256.New, s.pageKey[:])
	h.Write([]byte(list + "\x00" + key))
	return h.Sum(nil)[:tokenMAC]
}

func (s *server) sealToken(list, key string) string {
	return base64.RawURLEncoding.EncodeToString(append(s.tokenMAC(list, key), key...))
}

func (s *server) openToken(list, token string) (key string, err error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil && len(b) > tokenMAC {
		key = string(b[tokenMAC:])
		if subtle.ConstantTimeCompare(s.tokenMAC(list, key), b[:tokenMAC]) == 1 {
			return key, nil
		}
	}
	return "", fault.New(fault.InvalidParameter, "The $skiptoken is not one that this list gave. Follow nextLink as it is, or begin the list again.").WithTarget("$skiptoken")
}
