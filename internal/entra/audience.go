package entra

import (
	"net/url"
	"strings"
)

// Names under which clients ask for tokens whatever their endpoint is
// configured to be: Azure's own. A service's audiences are these and its own
// URLs.
var (
	managementNames = []string{"https://management.azure.com", "https://management.core.windows.net"}
	graphNames      = []string{"https://graph.microsoft.com", "https://graph.windows.net"}
	vaultNames      = []string{"https://vault.azure.net", "https://managedhsm.azure.net"}
	queryNames      = []string{"https://api.loganalytics.io", "https://api.loganalytics.azure.com"}
	kustoNames      = []string{"https://kusto.kusto.windows.net", "https://help.kusto.windows.net"}
	ingestionNames  = []string{"https://monitor.azure.com"}
)

// ManagementAudiences are the names of the resource manager at the URLs.
func ManagementAudiences(urls ...string) []string {
	return append(urls[:len(urls):len(urls)], managementNames...)
}

// GraphAudiences are the names of the directory's own API at the URLs.
func GraphAudiences(urls ...string) []string {
	return append(urls[:len(urls):len(urls)], graphNames...)
}

// VaultAudiences are the names of the key service at the URLs.
func VaultAudiences(urls ...string) []string {
	return append(urls[:len(urls):len(urls)], vaultNames...)
}

// QueryAudiences are the names of the query service at the URLs.
func QueryAudiences(urls ...string) []string {
	return append(urls[:len(urls):len(urls)], queryNames...)
}

// KustoAudiences are the names of the Kusto protocol's service at the URLs.
func KustoAudiences(urls ...string) []string {
	return append(urls[:len(urls):len(urls)], kustoNames...)
}

// IngestionAudiences are the names of the ingestion service at the URLs.
func IngestionAudiences(urls ...string) []string {
	return append(urls[:len(urls):len(urls)], ingestionNames...)
}

// audienceOf reads the resource out of a scope such as "https://host/.default".
// A resource keeps its own trailing slash: "https://host//.default" asks for
// "https://host/". One scope stands for one resource; OIDC's own words beside
// it say nothing to an application.
func audienceOf(scope string) (string, bool) {
	var found string
	for s := range strings.FieldsSeq(scope) {
		switch s {
		case "openid", "profile", "offline_access", "email":
			continue
		}
		aud, ok := strings.CutSuffix(s, "/.default")
		if !ok || found != "" || !validAudience(aud) {
			return "", false
		}
		found = aud
	}
	return found, found != ""
}

// validAudience accepts absolute URLs and application ids. A token is issued
// for a service that we don't know, too: it opens nothing of ours.
func validAudience(aud string) bool {
	if len(aud) > 512 || strings.ContainsFunc(aud, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return false
	}
	if len(aud) == 36 && strings.Count(aud, "-") == 4 {
		return true
	}
	u, err := url.Parse(aud)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http" || u.Scheme == "api") && u.Host != "" && u.User == nil
}

// sameAudience compares names of services: without the trailing slash, without
// a default port, without regard to the case of scheme and host.
func sameAudience(a, b string) bool { return normal(a) == normal(b) }

func normal(aud string) string {
	u, err := url.Parse(strings.TrimRight(aud, "/"))
	if err != nil || u.Host == "" {
		return strings.ToLower(aud)
	}
	host := strings.ToLower(u.Host)
	if strings.EqualFold(u.Scheme, "https") {
		host = strings.TrimSuffix(host, ":443")
	}
	return strings.ToLower(u.Scheme) + "://" + host + strings.TrimRight(u.EscapedPath(), "/")
}
