// Package client is a Logkeep server as its users see it: the public APIs, with
// the official SDK clients.
//
// Open finds the server, the certificate authority and the identity, and learns
// the rest (the domain, the query endpoint) from the server's own metadata
// endpoint, as az does. Every host under the server's domain, such as
// https://kv1.vault.logkeep.test:8443, is dialled at the server's own address:
// no hosts file, no name server, no root. TLS still checks the host's name.
package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	ingestion "github.com/Azure/azure-sdk-for-go/sdk/monitor/ingestion/azlogs"
	query "github.com/Azure/azure-sdk-for-go/sdk/monitor/query/azlogs"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

// A Server is one Logkeep server and an identity to use it with.
type Server struct {
	Identity
	URL    string // resource manager, Entra and Graph: https://localhost:8443
	Domain string // logkeep.test
	Query  string // https://api.loganalytics.logkeep.test:8443
	IMDS   string // managed-identity endpoint: http://127.0.0.1:8480
	CAFile string // PEM; "" if the system's roots are trusted

	options    policy.ClientOptions
	credential azcore.TokenCredential
	web        *http.Client
}

// Options change how a Server is used.
type Options struct {
	Retries bool // let the SDK send failed requests again
	Patient bool // as often as it takes, for a load generator whom the server tells to come again
}

// Open reads what where says and asks the server for its metadata.
func Open(ctx context.Context, where Where, options Options) (*Server, error) {
	found, err := where.find()
	if err != nil {
		return nil, err
	}
	s, base, err := reach(found)
	if err != nil {
		return nil, err
	}
	if err := s.learn(ctx, base); err != nil {
		return nil, err
	}
	s.options = policy.ClientOptions{Transport: s.web, Cloud: s.cloud()}
	s.options.Retry.ShouldRetry = worthAnotherTry
	switch {
	case options.Patient:
		s.options.Retry.MaxRetries = 10_000
	case !options.Retries:
		s.options.Retry.MaxRetries = -1
	}
	if s.token.known() {
		s.credential = s.token
		if err := s.settle(ctx); err != nil {
			return nil, fmt.Errorf("identity of %s: %w", found.identitySource, err)
		}
		return s, nil
	}
	s.credential, err = azidentity.NewClientSecretCredential(s.TenantID, s.ClientID, s.ClientSecret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: s.options, DisableInstanceDiscovery: true,
	})
	if err != nil {
		return nil, fmt.Errorf("identity of %s: %w", found.identitySource, err)
	}
	return s, nil
}

// reach is a server that can be dialled, and of which nothing is known yet, and
// its address.
func reach(found found) (*Server, *url.URL, error) {
	base, err := url.Parse(found.url)
	if err != nil || base.Scheme != "https" || base.Host == "" {
		return nil, nil, fmt.Errorf("server address %q is no https URL such as https://localhost:8443", found.url)
	}
	if base.Port() == "" {
		base.Host = net.JoinHostPort(base.Hostname(), "443")
	}
	roots, err := trust(found.caFile)
	if err != nil {
		return nil, nil, err
	}
	s := &Server{Identity: found.identity, URL: strings.TrimSuffix(found.url, "/"), IMDS: found.imds, CAFile: found.caFile}
	s.web = &http.Client{Transport: &http.Transport{
		Proxy:               nil, // hosts under the domain exist for us alone
		DialContext:         s.dialer(base.Host),
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     60 * time.Second,
		ForceAttemptHTTP2:   true,
	}}
	return s, base, nil
}

func trust(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return nil, nil // the system's
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificate authority %s has no PEM certificate", caFile)
	}
	return roots, nil
}

// dialer dials every host of the domain at address. While the domain is not
// known yet there is only one host to dial, the server's own.
func (s *Server) dialer(address string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 10 * time.Second}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		if s.Owns(host) {
			addr = address
		}
		return d.DialContext(ctx, network, addr)
	}
}

// Owns tells whether host belongs to the server's domain.
func (s *Server) Owns(host string) bool {
	return s.Domain != "" && (strings.EqualFold(host, s.Domain) || hasSuffixFold(host, "."+s.Domain))
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// learn asks the metadata endpoint for the domain and the query endpoint.
func (s *Server) learn(ctx context.Context, base *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/metadata/endpoints?api-version=2022-09-01", nil)
	if err != nil {
		return err
	}
	response, err := s.web.Do(request)
	if err != nil {
		return fmt.Errorf("no server answers at %s; start one with `logkeep serve`, or say where with --url or --data-dir: %w", s.URL, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	var metadata struct {
		LogAnalytics string `json:"logAnalyticsResourceId"`
		Suffixes     struct {
			Vault string `json:"keyVaultDns"`
		} `json:"suffixes"`
	}
	if response.StatusCode != http.StatusOK || json.Unmarshal(body, &metadata) != nil {
		return fmt.Errorf("%s answers, but not as a Logkeep server (status %d on its metadata endpoint)", s.URL, response.StatusCode)
	}
	suffix := strings.TrimPrefix(metadata.Suffixes.Vault, ".")
	host := strings.TrimSuffix(suffix, ":"+base.Port())
	domain, ok := strings.CutPrefix(host, "vault.")
	if !ok || domain == "" {
		return fmt.Errorf("%s names %q as the suffix of vaults; want vault.DOMAIN:PORT", s.URL, metadata.Suffixes.Vault)
	}
	s.Domain = domain
	s.Query = strings.TrimSuffix(metadata.LogAnalytics, "/")
	if s.Query == "" {
		s.Query = s.Host("api.loganalytics")
	}
	return nil
}

// Host is the URL of a host below the server's domain, with the server's port.
func (s *Server) Host(name string) string {
	base, _ := url.Parse(s.URL) // Open parsed it
	host := name + "." + s.Domain
	if port := base.Port(); port != "" {
		host = net.JoinHostPort(host, port)
	}
	return "https://" + host
}

// HTTP is the client that finds the server's hosts and trusts its authority.
func (s *Server) HTTP() *http.Client { return s.web }

func (s *Server) cloud() cloud.Configuration {
	return cloud.Configuration{
		ActiveDirectoryAuthorityHost: s.URL,
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager:          {Audience: s.URL, Endpoint: s.URL},
			query.ServiceName:              {Audience: "https://api.loganalytics.io", Endpoint: s.Query},
			ingestion.ServiceNameIngestion: {Audience: "https://monitor.azure.com", Endpoint: s.URL},
		},
	}
}

// Credential is the identity as the SDK clients want it.
func (s *Server) Credential() azcore.TokenCredential { return s.credential }

// ARM are the options of resource manager clients.
func (s *Server) ARM() *arm.ClientOptions {
	return &arm.ClientOptions{ClientOptions: s.options, DisableRPRegistration: true}
}

// Keys is the client of a vault's keys.
func (s *Server) Keys(vaultURI string) (*azkeys.Client, error) {
	if err := s.mayHaveToken(vaultURI); err != nil {
		return nil, err
	}
	return azkeys.NewClient(vaultURI, s.credential, &azkeys.ClientOptions{ClientOptions: s.options})
}

// Logs is the client of the query API.
func (s *Server) Logs() (*query.Client, error) {
	return query.NewClient(s.credential, &query.ClientOptions{ClientOptions: s.options})
}

// Ingestion is the client of a collection endpoint.
func (s *Server) Ingestion(endpoint string) (*ingestion.Client, error) {
	if err := s.mayHaveToken(endpoint); err != nil {
		return nil, err
	}
	return ingestion.NewClient(endpoint, s.credential, &ingestion.ClientOptions{ClientOptions: s.options})
}

// KnowSelf fills in the object id of who asks, where only a client id was given.
func (s *Server) KnowSelf(ctx context.Context) error {
	if s.ObjectID != "" {
		return nil
	}
	token, err := s.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{s.URL + "/.default"}})
	if err != nil {
		return fmt.Errorf("ask who we are: %w", err)
	}
	var claims struct {
		ObjectID string `json:"oid"`
	}
	parts := strings.Split(token.Token, ".")
	if len(parts) == 3 {
		if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			json.Unmarshal(text, &claims)
		}
	}
	if s.ObjectID = claims.ObjectID; s.ObjectID == "" {
		return errors.New("the server's token does not say who we are")
	}
	return nil
}

// Web is a client that finds and trusts every host of the server.
func (s *Server) Web() *http.Client { return s.web }

// Close ends idle connections.
func (s *Server) Close() { s.web.CloseIdleConnections() }

// ErrNoIdentity means that nothing says who the user is.
var ErrNoIdentity = errors.New("no identity: give --data-dir of a server on this machine that has its bootstrap.json, or set AZURE_TENANT_ID, AZURE_SUBSCRIPTION_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, for example with `eval \"$(logkeep env)\"`; or put a token of the issuer that the server trusts into LOGKEEP_TOKEN or the file LOGKEEP_TOKEN_FILE")

// AbsCA is the CA file's absolute path, for other programs' environments.
func (s *Server) AbsCA() (string, error) {
	if s.CAFile == "" {
		return "", nil
	}
	return filepath.Abs(s.CAFile)
}
