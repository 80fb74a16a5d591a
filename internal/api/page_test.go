package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// call sends a request as somebody and returns the answer. Headers come in
// pairs.
func (o *office) call(t testing.TB, h http.Handler, who, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	token, err := o.issuer.TokenFor(t.Context(), who, "https://localhost:8443/")
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "localhost:8443"
	r.Header.Set("Authorization", "Bearer "+token.Text)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A listing is the answer of a list.
type listing struct {
	Value    []struct{ Name string }
	NextLink string
	Graph    string `json:"@odata.nextLink"`
}

func (o *office) list(t testing.TB, h http.Handler, target string) (names []string, next string) {
	t.Helper()
	w := o.call(t, h, o.admin.ObjectID, "GET", target, "")
	var l listing
	if w.Code != http.StatusOK || json.Unmarshal(w.Body.Bytes(), &l) != nil {
		t.Fatalf("GET %s: %d %s", target, w.Code, w.Body)
	}
	for _, v := range l.Value {
		names = append(names, v.Name)
	}
	return names, l.NextLink + l.Graph
}

func (o *office) group(t testing.TB, h http.Handler, name string) {
	t.Helper()
	w := o.call(t, h, o.admin.ObjectID, "PUT", "/subscriptions/"+o.admin.SubscriptionID+"/resourcegroups/"+name+"?api-version=2021-04-01", `{"location":"westeurope","tags":{"t":"1"}}`)
	if w.Code != http.StatusCreated {
		t.Fatal(w.Body)
	}
}

// TestPagesShowEachItemOnce follows links while groups come and go before and
// behind them.
func TestPagesShowEachItemOnce(t *testing.T) {
	o := openOffice(t)
	h := New(o.deps)
	var want []string
	for i := range 25 {
		name := fmt.Sprintf("g%02d", i)
		o.group(t, h, name)
		want = append(want, name)
	}
	at := "/subscriptions/" + o.admin.SubscriptionID + "/resourcegroups"
	var got []string
	next, pages := "https://localhost:8443"+at+"?api-version=2021-04-01&$top=10&$filter="+url.QueryEscape("tagName eq 't'"), 0
	for next != "" {
		if pages++; pages > 5 {
			t.Fatal("links without end")
		}
		var names []string
		names, next = o.list(t, h, next)
		got = append(got, names...)
		if pages == 1 { // g00 to g09 were seen
			o.group(t, h, "a-new-one")
			for _, gone := range []string{"g03", "g09"} {
				if w := o.call(t, h, o.admin.ObjectID, "DELETE", at+"/"+gone+"?api-version=2021-04-01", ""); w.Code != http.StatusOK {
					t.Fatal(w.Body)
				}
			}
		}
	}
	if !slices.Equal(got, want) || pages != 3 {
		t.Errorf("%d pages: %v", pages, got)
	}
	if names, next := o.list(t, h, at+"?api-version=2021-04-01"); len(names) != 24 || next != "" {
		t.Errorf("without $top: %d groups, then %q", len(names), next)
	}
}

func TestPagesOfOtherLists(t *testing.T) {
	o := openOffice(t)
	h := New(o.deps)
	for i := range 3 {
		o.group(t, h, fmt.Sprintf("g%d", i))
		o.person(t, fmt.Sprint("p", i), "", "")
	}
	sub := "/subscriptions/" + o.admin.SubscriptionID
	for target, least := range map[string]int{
		"/v1.0/servicePrincipals?$top=2": 4,
		sub + "/providers/Microsoft.Authorization/roleDefinitions?api-version=2022-04-01&$top=7": 15,
		sub + "/providers?api-version=2021-04-01&$top=2":                                         5,
		"/subscriptions?api-version=2022-12-01&$top=1":                                           1,
	} {
		all, next := o.list(t, h, target)
		for n := 0; next != "" && n < 100; n++ {
			var names []string
			names, next = o.list(t, h, next)
			all = append(all, names...)
		}
		if len(all) < least {
			t.Errorf("%s: %d items", target, len(all))
		}
	}
}

func TestTokensOfPagesAreBoundToTheirList(t *testing.T) {
	o := openOffice(t)
	h := New(o.deps)
	for i := range 3 {
		o.group(t, h, fmt.Sprint("g", i))
	}
	at := "/subscriptions/" + o.admin.SubscriptionID + "/resourcegroups?api-version=2021-04-01&$top=1"
	_, next := o.list(t, h, at)
	u, err := url.Parse(next)
	if err != nil {
		t.Fatal(err)
	}
	token := u.Query().Get("$skiptoken")
	flipped := []byte(token)
	flipped[len(flipped)-2] ^= 1
	for what, target := range map[string]string{
		"changed":             at + "&$skiptoken=" + string(flipped),
		"cut":                 at + "&$skiptoken=" + token[:8],
		"no token at all":     at + "&$skiptoken=%20%20",
		"of another filter":   at + "&$filter=name+eq+'g1'&$skiptoken=" + token,
		"of another list":     "/subscriptions/" + o.admin.SubscriptionID + "/resources?api-version=2021-04-01&$skiptoken=" + token,
		"of no positive size": strings.Replace(at, "$top=1", "$top=0", 1),
	} {
		if w := o.call(t, h, o.admin.ObjectID, "GET", target, ""); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "InvalidParameter") {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	if names, _ := o.list(t, h, at+"&$skipToken="+token); len(names) != 1 || names[0] != "g1" {
		t.Errorf("the token itself, in ARM's casing: %v", names)
	}
}

func TestConditionsOfRequests(t *testing.T) {
	o := openOffice(t)
	h := New(o.deps)
	o.group(t, h, "g")
	at := "/subscriptions/" + o.admin.SubscriptionID + "/resourceGroups/g?api-version=2021-04-01"
	read := func() string { return o.call(t, h, o.admin.ObjectID, "GET", at, "").Header().Get("ETag") }
	first := read()
	if len(first) < 4 || first[0] != '"' {
		t.Fatalf("ETag %q", first)
	}
	const put = `{"location":"westeurope"}`
	for _, c := range []struct {
		what, method, body, header, value string
		status                            int
	}{
		{"a read that has the newest", "GET", "", "If-None-Match", first, 304},
		{"a read that has another", "GET", "", "If-None-Match", `"x"`, 200},
		{"a write of what must not exist", "PUT", put, "If-None-Match", "*", 412},
		{"a write over the newest", "PUT", put, "If-Match", first, 200},
		{"a write over an older one", "PUT", put, "If-Match", first, 412},
		{"a change of an older one", "PATCH", `{"tags":{}}`, "If-Match", first, 412},
		{"a deletion of an older one", "DELETE", "", "If-Match", first, 412},
		{"a condition that makes no sense", "PUT", put, "If-None-Match", first, 400},
		{"a deletion of whatever there is", "DELETE", "", "If-Match", "*", 200},
		{"a write over what is gone", "PUT", put, "If-Match", "*", 412},
		{"a write of what does not exist", "PUT", put, "If-None-Match", "*", 201},
		{"is it there?", "HEAD", "", "", "", 204},
	} {
		w := o.call(t, h, o.admin.ObjectID, c.method, at, c.body, c.header, c.value)
		if w.Code != c.status || (w.Code == 204 || w.Code == 304) && w.Body.Len() > 0 {
			t.Errorf("%s: %d %s", c.what, w.Code, w.Body)
		}
	}
}

func TestHeadAndOptions(t *testing.T) {
	o := openOffice(t)
	h := New(o.deps)
	sub := "/subscriptions/" + o.admin.SubscriptionID
	for _, c := range []struct {
		method, target string
		status         int
		allow          string
	}{
		{"HEAD", sub + "?api-version=2022-12-01", 204, ""},
		{"HEAD", sub + "/resourcegroups?api-version=2022-12-01", 200, ""},
		{"HEAD", "/subscriptions/aaaaaaaa-0000-4000-8000-000000000001?api-version=2022-12-01", 404, ""},
		{"OPTIONS", sub + "/resourcegroups/x?api-version=2022-12-01", 204, "DELETE, GET, HEAD, PATCH, PUT, OPTIONS"},
		{"OPTIONS", "/nothing/here/at/all", 404, ""},
		{"TRACE", sub + "?api-version=2022-12-01", 405, "GET, HEAD"},
	} {
		w := o.call(t, h, o.admin.ObjectID, c.method, c.target, "")
		if w.Code != c.status || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow: %s", c.method, c.target, w.Code, w.Header().Get("Allow"))
		}
	}
}
