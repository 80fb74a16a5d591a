package keyface

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"logkeep/internal/vault/admin"
)

// caller is who a token says is calling.
type caller struct {
	tenant, objectID, appID string
}

// claims are those of a token's claims that matter here.
type claims struct {
	Audience  audience `json:"aud"`
	Expires   float64  `json:"exp"`
	NotBefore float64  `json:"nbf"`
	Tenant    string   `json:"tid"`
	ObjectID  string   `json:"oid"`
	AppID     string   `json:"appid"`
	Party     string   `json:"azp"`
}

// audience is one text or a list of them.
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// skew is how far ahead of ours the clock of a token's issuer may be.
const skew = time.Minute

// identify reads the token. Every way to fail is a 401 with the challenge, and
// the body was not looked at.
func (c *call) identify() error {
	if err := c.readToken(); err != nil {
		authority := "https://" + c.Domain + c.port + "/" + c.tenant()
		resource := "https://" + strings.TrimPrefix(c.suffix, ".") + c.port
		c.w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer authorization=%q, resource=%q", authority, resource))
		return err
	}
	return nil
}

func (c *call) readToken() error {
	unauthorized := func(format string, args ...any) error {
		return refuse(http.StatusUnauthorized, "Unauthorized", format, args...)
	}
	scheme, token, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
		return unauthorized("AKV10000: Request is missing a Bearer or PoP token.")
	}
	payload, err := c.Verify(token)
	if err != nil {
		return unauthorized("Error validating token: it is not a token signed by this service. Ask %s for one.", "https://"+c.Domain+c.port+"/"+c.tenant())
	}
	var t claims
	if err := json.Unmarshal(payload, &t); err != nil {
		return unauthorized("Error validating token: its claims are not what this service issues.")
	}
	now := time.Now()
	if end := time.Unix(int64(t.Expires), 0); !now.Before(end) {
		return unauthorized("Error validating token: it expired at %s. Ask for a new one.", end.UTC().Format(time.RFC3339))
	}
	if from := time.Unix(int64(t.NotBefore), 0); now.Add(skew).Before(from) {
		return unauthorized("Error validating token: it is valid from %s on.", from.UTC().Format(time.RFC3339))
	}
	if !slices.ContainsFunc(t.Audience, c.serves) {
		return unauthorized("AKV10022: Invalid audience. Expected https://vault.azure.net or https://%s, found: %s.", strings.TrimPrefix(c.suffix, ".")+c.port, clip(strings.Join(t.Audience, ", ")))
	}
	if !strings.EqualFold(t.Tenant, c.tenant()) {
		return unauthorized("AKV10032: Invalid issuer. Expected https://sts.windows.net/%s/, found https://sts.windows.net/%s/.", c.tenant(), clip(t.Tenant))
	}
	if t.ObjectID == "" {
		return unauthorized("Error validating token: it names no principal (oid).")
	}
	c.caller = caller{tenant: strings.ToLower(t.Tenant), objectID: strings.ToLower(t.ObjectID), appID: strings.ToLower(t.AppID)}
	if c.caller.appID == "" {
		c.caller.appID = strings.ToLower(t.Party)
	}
	return nil
}

// serves tells whether a token for the audience is for this service: Azure's
// own name of it, or ours with any port.
func (c *call) serves(aud string) bool {
	u, err := url.Parse(aud)
	if err != nil || u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return host == "vault.azure.net" || host == "managedhsm.azure.net" || host == "vault."+c.Domain || host == "managedhsm."+c.Domain
}

// tenant is whose tokens the vault takes.
func (c *call) tenant() string {
	if c.vault.Service() {
		return admin.ServiceTenant
	}
	return strings.ToLower(c.vault.Properties.TenantID)
}

// describe is the caller in the words of a denial.
func (c caller) describe() string {
	return fmt.Sprintf("appid=%s;oid=%s;iss=https://sts.windows.net/%s/", c.appID, c.objectID, c.tenant)
}
