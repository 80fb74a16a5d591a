package api

import (
	"net/http"
)

// metadataRoutes tell clients where everything is. They come in three shapes,
// by api-version: the first that there was, an array of clouds, and one cloud.
func (s *server) metadataRoutes() []route {
	return []route{{method: "GET", pattern: "/metadata/endpoints", public: true, handle: s.metadata}}
}

// The api-versions from which on the shape changed.
const (
	metadataArray = "2018-05-01"
	metadataOne   = "2022-09-01"
)

func (s *server) metadata(w http.ResponseWriter, r *http.Request) error {
	at := base(r) // the host that the client knows us by
	// The login endpoint ends in /adfs so that clients ask us, and not the
	// public cloud, what it is.
	login := at + "/adfs"
	if s.Identity.Login != "" {
		login = s.Identity.Login
	}
	if versionOf(r.URL.Query()) < metadataArray {
		return writeJSON(w, http.StatusOK, map[string]any{
			"galleryEndpoint": at + "/", "graphEndpoint": at + "/", "portalEndpoint": at + "/", "graphAudience": at + "/",
			"authentication": map[string]any{"loginEndpoint": login, "audiences": []string{at + "/"}},
		})
	}
	logs := "https://" + s.authority("api.loganalytics."+s.Domain)
	cloud := map[string]any{
		"name":   "Logkeep",
		"portal": at + "/",
		"authentication": map[string]any{
			"loginEndpoint": login, "audiences": []string{at + "/", at}, "tenant": "common", "identityProvider": "ADFS",
		},
		"resourceManager":          at + "/",
		"graph":                    at + "/",
		"graphAudience":            at + "/",
		"microsoftGraphResourceId": at + "/",
		"logAnalyticsResourceId":   logs,
		"gallery":                  at + "/",
		"batch":                    at + "/",
		"media":                    at + "/",
		"sqlManagement":            at + "/",
		"activeDirectoryDataLake":  at + "/",
		"vmImageAliasDoc":          at + "/",
		"suffixes": map[string]any{
			"keyVaultDns": s.authority("vault." + s.Domain),
			"mhsmDns":     s.authority("managedhsm." + s.Domain),
			"storage":     s.authority(s.Domain),
		},
	}
	if versionOf(r.URL.Query()) >= metadataOne {
		return writeJSON(w, http.StatusOK, cloud)
	}
	return writeJSON(w, http.StatusOK, []any{cloud})
}
