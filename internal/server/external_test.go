package server_test

import (
	"compress/gzip"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"logkeep/internal/outside"
)

// TestQueriesReadFilesOfAllowedHosts joins rows with files of another server, of
// every kind of form, also where the file decides what columns there are.
func TestQueriesReadFilesOfAllowedHosts(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/marks.csv":
			fmt.Fprint(rw, "mark,weight,since,more\na-1,1.5,2026-01-02,\"{\"\"k\"\":7}\"\na-2,none,,[]\n")
		case "/marks.csv.gz":
			z := gzip.NewWriter(rw)
			fmt.Fprint(z, "a-0,1\n")
			z.Close()
		case "/marks.json":
			fmt.Fprint(rw, `[{"Mark":"a-1","Deep":{"n":3}},{"Mark":"a-2","Deep":{"n":4,"s":"x"}}]`)
		case "/bad.json":
			fmt.Fprint(rw, `{"Mark":"a-1"`)
		default:
			http.NotFound(rw, r)
		}
	}))
	t.Cleanup(web.Close)
	s := copied(t)
	s.External = []outside.Host{{Name: "127.0.0.1", Ranges: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	s.ExternalRoots = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	s.serve()
	s.mustSend("a", 3)
	ask := func(text string) (string, error) {
		return s.ask(strings.ReplaceAll(text, "WEB", web.URL))
	}
	const marks = "externaldata(mark:string, weight:real, since:datetime, more:dynamic)['WEB/marks.csv'] with (ignoreFirstRecord=true)"
	for query, want := range map[string]string{
		marks + " | extend k = more.k | project-away more | sort by mark asc":                                                                                                          `[["a-1",1.5,"2026-01-02T00:00:00Z","7"],["a-2",null,null,null]]`,
		"Events_CL | join kind=inner (" + marks + ") on $left.Mark == $right.mark | where isnotnull(weight) | project N, weight":                                                       `[[1,1.5]]`,
		"Events_CL | where Mark in ((externaldata(m:string)['WEB/marks.csv.gz'])) | project Mark":                                                                                      `[["a-0"]]`,
		"externaldata(m:string, n:long)['WEB/marks.csv.gz', 'WEB/marks.csv'] | summarize count(), sum(n)":                                                                              `[[4,1]]`,
		"externaldata(Mark:string, n:long)['WEB/marks.json'] with (format='multijson', ingestionMapping='[{\"Column\":\"n\",\"Properties\":{\"Path\":\"$.Deep.n\"}}]') | where n == 4": `[["a-2",4]]`,
		"externaldata(Deep:dynamic)['WEB/marks.json'] | evaluate bag_unpack(Deep) | sort by n asc":                                                                                     `[[3,""],[4,"x"]]`,
		"externaldata(all:string)['WEB/marks.json'] with (format=raw) | project strlen(all)":                                                                                           `[[69]]`,
	} {
		if got, err := ask(query); err != nil || got != want {
			t.Errorf("%s: %s (%v), want %s", query, got, err, want)
		}
	}
	for query, want := range map[string]string{
		"externaldata(m:string)['WEB/none.csv?sig=secret']":                                      "none.csv: the host answered 404",
		"externaldata(m:string)['https://example.com/a.csv']":                                    "the host 'example.com' is not among those",
		"externaldata(m:string)['WEB/bad.json']":                                                 "bad.json: the file stops being JSON in value 1",
		"externaldata(m:string)['WEB/marks.csv'] with (format='parquet')":                        "externaldata does not read the format 'parquet'",
		"externaldata(m:string)['WEB/marks.csv'] with (colour='red')":                            "externaldata has no property 'colour'",
		"externaldata(m:string)['WEB/marks.csv'] with (ingestionMapping='[{\"Column\":\"z\"}]')": "names the column 'z'",
	} {
		if _, err := ask(query); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want a message with %q", query, err, want)
		}
	}
}

func TestQueriesReadNoFilesUnlessTheOperatorSays(t *testing.T) {
	t.Parallel()
	s := linked(t)
	_, err := s.RunQuery(t.Context(), s.Workspace.CustomerID, "externaldata(m:string)['https://example.com/a.csv']", "")
	if err == nil || !strings.Contains(err.Error(), "--externaldata-host") {
		t.Errorf("externaldata without a host: %v", err)
	}
}
