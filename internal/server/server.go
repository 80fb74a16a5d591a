// Package server is the keeper: it puts the parts together, starts the other
// processes, and serves. It is the only place that names implementations.
//
// Parts are started in an order in which each finds what it needs, and stopped
// in reverse:
//
//	folder → vault's process → certificate → catalog → identity → supervisor, ring,
//	domains → control plane → faces → listener → "ready"
package server

import (
	"io"
	"log/slog"
	"time"

	"logkeep/internal/api"
	"logkeep/internal/entra"
	"logkeep/internal/hostcert"
	"logkeep/internal/kek"
	"logkeep/internal/keyring"
	"logkeep/internal/outside"
	"logkeep/internal/throttle"
	"logkeep/internal/worker/sandbox"
	"logkeep/internal/worker/wire"
)

// A Config says how a server runs. Every field but DataDir has a usable zero.
type Config struct {
	DataDir string
	Listen  string       // default 127.0.0.1:8443
	IMDS    string       // default 127.0.0.1:8480; "off" for none
	Domain  string       // default logkeep.test
	RootKey string       // path; default DataDir + ".rootkey"
	Storage string       // where accounts lie: file:///…, s3://…, azblob://…; "" is the folder accounts of DataDir
	Demo    bool         // the root key may lie inside the data directory
	Vaults  []kek.Suffix // domains of vaults that are not built in

	// VaultRoots are authorities, PEM, that may vouch for those vaults, beside
	// the system's and the server's own.
	VaultRoots []byte

	Policy keyring.Policy // of clusters that set nothing of their own; zero: the default

	DoubleEncryption []string // regions where clusters can have the second layer; nil: all

	Sandbox sandbox.Mode // of workers, on a kernel that lacks something; zero: prefer
	Swap    SwapMode     // zero: refuse

	// Witness is a file or an https URL that is told how far the data have come,
	// "none" to give up the one that there was. WitnessAccept lets a server start
	// against it, once: the number of the statement, or witness.Missing.
	Witness, WitnessAccept string

	// Identities are user-assigned identities that whoever is on this host may
	// have tokens of.
	Identities []string
	// IdentityHeader is what whoever asks in the form of App Service must know;
	// empty turns that form off.
	IdentityHeader string

	// Issuers are trusted from outside; an empty tenant is the first one.
	Issuers []entra.Trust
	// IssuerRoots are authorities, PEM, that may vouch for them, beside the system's.
	IssuerRoots []byte
	// Closed switches the built-in issuer off for people and applications.
	Closed bool
	// Admins become Owner of everything in the first tenant: object ids, or
	// ISSUER#SUB.
	Admins []string

	// External are the hosts whose files queries may read; ExternalRoots are
	// authorities, PEM, that may vouch for them, beside the system's.
	External      []outside.Host
	ExternalRoots []byte

	// Certificates are served where they cover a host's name, and read again when
	// their files change.
	Certificates []hostcert.Pair

	// Throttled switches the documented limits on how often people may ask on;
	// Rates are others for some of them, in force in any case.
	Throttled bool
	Rates     map[string]throttle.Rate

	Memory int64 // bytes that all processes together may have; 0: DefaultMemory
	Flush  wire.Flush
	Spool  int64 // bytes of rows that may wait for one cluster's key; 0: domain.DefaultSpool

	// CacheBytes bounds the hot cache, where Storage is a bucket; 0: 10 GiB.
	CacheBytes int64

	// Command runs this program's other roles: Command... "vault" and "worker".
	Command []string
	Out     io.Writer // gets the line "ready https://…"
	Log     *slog.Logger
}

// DefaultMemory is what all processes may have together.
const DefaultMemory = 4 << 30

// A budget is how memory is divided; design 0042 has why.
type budget struct{ keeper, vault, workers int64 }

func divide(total int64) budget {
	b := budget{keeper: total / 8, vault: total / 32}
	b.workers = total - b.keeper - b.vault
	return b
}

// Defaults of Config.
const (
	defaultListen = "127.0.0.1:8443"
	defaultIMDS   = "127.0.0.1:8480"
	defaultDomain = "logkeep.test"
)

func (c *Config) complete() {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&c.Listen, defaultListen)
	def(&c.IMDS, defaultIMDS)
	def(&c.Domain, defaultDomain)
	def(&c.RootKey, c.DataDir+".rootkey")
	def((*string)(&c.Sandbox), string(sandbox.Prefer))
	def((*string)(&c.Swap), string(RefuseSwap))
	if c.Memory == 0 {
		c.Memory = DefaultMemory
	}
	if c.Flush == (wire.Flush{}) {
		// A worker whose share is small flushes sooner, when half of it is used.
		c.Flush = wire.Flush{Bytes: 64 << 20, Age: time.Minute}
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = 10 << 30
	}
	if c.Policy == (keyring.Policy{}) {
		c.Policy = keyring.DefaultPolicy()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// throttling is the limits of the keeper's faces.
func (c *Config) throttling() *api.Throttling { return api.NewThrottling(c.rates()) }

// vaultRate is how often a vault may be asked.
func (c *Config) vaultRate() throttle.Rate { return c.rates()[throttle.Vault] }

// rates are the limits on how often people may ask; zero is none.
func (c *Config) rates() map[string]throttle.Rate {
	rates := map[string]throttle.Rate{}
	for _, l := range throttle.Azure() {
		switch own, given := c.Rates[l.Name]; {
		case given:
			rates[l.Name] = own
		case c.Throttled:
			rates[l.Name] = l.Rate
		default:
			rates[l.Name] = throttle.Rate{}
		}
	}
	return rates
}
