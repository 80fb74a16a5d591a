package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"
)

// Settings are what `logkeep serve` can be told. A flag wins over its LOGKEEP_
// variable (--data-dir: LOGKEEP_DATA_DIR), that over the YAML file of --config,
// that over the default. The file has the flags' names; an unknown one is an error.
type Settings struct {
	DataDir       string        `yaml:"data-dir"`
	Listen        string        `yaml:"listen"`
	Domain        string        `yaml:"domain"`
	RootKey       string        `yaml:"root-key"` // file; "" means the data directory's name with .rootkey behind
	IMDS          string        `yaml:"imds"`     // HOST:PORT of the managed-identity endpoint, or "off"
	ProbeInterval time.Duration `yaml:"probe-interval"`
	ProbeTimeout  time.Duration `yaml:"probe-timeout"`
	Lease         time.Duration `yaml:"lease"`
	OutageGrace   time.Duration `yaml:"outage-grace"`
	Sandbox       string        `yaml:"sandbox"` // require or prefer
	Swap          string        `yaml:"swap"`    // refuse or warn
	SpoolBytes    int64         `yaml:"spool-bytes"`
	Memory        int64         `yaml:"memory"`         // bytes
	Storage       string        `yaml:"storage"`        // file:///…, s3://… or azblob://…; "" means the data directory
	CacheBytes    int64         `yaml:"cache-bytes"`    // of the hot cache, where storage is a bucket
	Throttling    string        `yaml:"throttling"`     // on or off
	IssuerBuiltin string        `yaml:"issuer-builtin"` // on or off
	Issuers       Issuers       `yaml:"issuers"`        // flag: issuer
	Admins        Words         `yaml:"admins"`         // flag: admin
	Certificates  Pairs         `yaml:"certificates"`   // flag: certificate

	External      ExternalHosts `yaml:"externaldata-hosts"` // flag: externaldata-host
	ExternalRoots string        `yaml:"externaldata-roots"` // PEM file of authorities, beside the system's, that may vouch for them

	IssuerRoots   string `yaml:"issuer-roots"` // PEM file of authorities, beside the system's, that may vouch for issuers
	Witness       string `yaml:"witness"`      // a file, an https URL, or none
	WitnessAccept string `yaml:"witness-accept"`

	// These are lines of the file only.
	Limits         map[string]Limit `yaml:"limits"`           // instead of the documented ones; zero: none
	Vaults         []VaultDomain    `yaml:"vaults"`           // of vaults that are not built in; none: they are refused
	VaultRoots     string           `yaml:"vault-roots"`      // PEM file of authorities, beside the system's, that may vouch for them
	IMDSIdentities []string         `yaml:"imds-identities"`  // user-assigned identities whose tokens this host's programs may have
	IMDSHeaderFile string           `yaml:"imds-header-file"` // file with the value of IDENTITY_HEADER; without it the App Service form is off

	DoubleEncryptionRegions []string `yaml:"double-encryption-regions"` // where clusters can have the second layer; left out: everywhere; []: nowhere
}

// A Limit is how many requests may come at once, and a second in the long run.
type Limit struct {
	Burst     int     `yaml:"burst"`
	PerSecond float64 `yaml:"per-second"`
}

// A VaultDomain is a domain under which tenants may name vaults.
type VaultDomain struct {
	Domain string         `yaml:"domain"` // vault.azure.net: one label stands before it
	Ranges []netip.Prefix `yaml:"ranges"` // addresses that its hosts may have; none: any public one
}

// DefaultSettings is a server that was told nothing.
func DefaultSettings() Settings {
	return Settings{
		DataDir: ".logkeep", Listen: "127.0.0.1:8443", Domain: "logkeep.test", IMDS: "127.0.0.1:8480",
		ProbeInterval: 10 * time.Second, ProbeTimeout: 5 * time.Second, Lease: 30 * time.Second, OutageGrace: time.Hour,
		Sandbox: "prefer", Swap: "refuse", SpoolBytes: 1 << 30, Memory: 4 << 30, CacheBytes: 10 << 30, IssuerBuiltin: "on", Throttling: "off",
	}
}

func (s *Settings) flags(f *pflag.FlagSet) {
	d := DefaultSettings()
	f.StringVar(&s.DataDir, "data-dir", d.DataDir, "where everything is kept; made if missing")
	f.StringVar(&s.Listen, "listen", d.Listen, "address for HTTPS")
	f.StringVar(&s.Domain, "domain", d.Domain, "domain of all host names, such as {vault}.vault.DOMAIN")
	f.StringVar(&s.RootKey, "root-key", d.RootKey, "file with the key that opens the built-in vault; made if missing; not inside the data directory (default DATA-DIR.rootkey)")
	f.StringVar(&s.IMDS, "imds", d.IMDS, "address of the managed-identity endpoint (http), or off")
	f.DurationVar(&s.ProbeInterval, "probe-interval", d.ProbeInterval, "how often a customer's key is asked for, 6s to 60s")
	f.DurationVar(&s.ProbeTimeout, "probe-timeout", d.ProbeTimeout, "how long a vault may take to answer")
	f.DurationVar(&s.Lease, "lease", d.Lease, "how long a worker lives after a good answer; at least twice the probe interval plus the timeout")
	f.DurationVar(&s.OutageGrace, "outage-grace", d.OutageGrace, "how long a silent vault is ridden out")
	f.StringVar(&s.Sandbox, "sandbox", d.Sandbox, "prefer: confine workers as far as the kernel can; require: not start on one that can't")
	f.Int64Var(&s.SpoolBytes, "spool-bytes", d.SpoolBytes, "how many bytes of rows may wait for one cluster's key, where ingestionWhenRevoked is Seal")
	f.Int64Var(&s.Memory, "memory", d.Memory, "how many bytes of memory all processes of the server may take together; those that hold clusters' data share most of it, the more of them the less each, and where it does not suffice requests are told to come again (429)")
	f.StringVar(&s.Storage, "storage", d.Storage, "where segments and journals lie, `URL`: file:///FOLDER, s3://BUCKET/PREFIX or azblob://CONTAINER/PREFIX; credentials come from the environment (default the data directory)")
	f.Int64Var(&s.CacheBytes, "cache-bytes", d.CacheBytes, "how much of a bucket is kept on the local disk, sealed once more: what was written or read in the last 14 days")
	f.StringVar(&s.Throttling, "throttling", d.Throttling, "on: people may ask as often as the documented limits allow, instead of as often as they like (limits in the file)")
	f.Var(&s.Issuers, "issuer", "OpenID Connect issuer whose tokens are accepted, `URL[,audience=A][,tenant=ID][,claim=NAME]`; repeatable")
	f.StringVar(&s.IssuerBuiltin, "issuer-builtin", d.IssuerBuiltin, "off: nobody signs in at this server itself")
	f.Var(&s.Admins, "admin", "`OBJECTID` or ISSUER#SUBJECT of who, known by an --issuer, is Owner of everything; repeatable")
	f.Var(&s.Certificates, "certificate", "certificate of your own, `FILE,KEYFILE` (PEM), read again when they change; repeatable")
	f.Var(&s.External, "externaldata-host", "host whose files queries may read with externaldata over https, `HOST[,range=CIDR]`: *.example.com is all hosts directly under it; without a range its addresses are public ones; repeatable (default none)")
	f.StringVar(&s.ExternalRoots, "externaldata-roots", d.ExternalRoots, "PEM `file` of authorities, beside the system's, that may vouch for these hosts")
	f.StringVar(&s.Witness, "witness", d.Witness, "a file elsewhere, or an https URL, that is told how far the data have come, so that an older copy of the data directory is noticed; none: give it up")
	f.StringVar(&s.WitnessAccept, "witness-accept", d.WitnessAccept, "start once although the data are older than the witness says, to restore a backup: the number of its statement, or missing")
	f.StringVar(&s.Swap, "swap", d.Swap, "refuse: not start while this machine has swap, to which decrypted rows could be written; warn: start all the same")
}

// leastMemory leaves the query engine 256 MiB and rows on their way 32 MiB.
const leastMemory = 512 << 20

var isNumber = regexp.MustCompile(`^[0-9]{1,20}$`)

var domainForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$`)

// check refuses what can't be meant. What depends on more than the words is the
// server's to refuse.
func (s *Settings) check() error {
	var wrong []error
	if s.DataDir == "" {
		wrong = append(wrong, errors.New("data-dir is empty"))
	}
	for name, address := range map[string]string{"listen": s.Listen, "imds": s.IMDS} {
		if _, _, err := net.SplitHostPort(address); err != nil && !(name == "imds" && address == "off") {
			wrong = append(wrong, fmt.Errorf("%s %q is no HOST:PORT", name, address))
		}
	}
	if !domainForm.MatchString(s.Domain) || len(s.Domain) > 200 {
		wrong = append(wrong, fmt.Errorf("domain %q is no lower-case domain of two parts or more, such as logkeep.test", s.Domain))
	}
	for name, d := range map[string]time.Duration{"probe-interval": s.ProbeInterval, "probe-timeout": s.ProbeTimeout, "lease": s.Lease} {
		if d <= 0 {
			wrong = append(wrong, fmt.Errorf("%s %s is not positive", name, d))
		}
	}
	for _, v := range s.Vaults {
		if !domainForm.MatchString(v.Domain) {
			wrong = append(wrong, fmt.Errorf("vaults: domain %q is no lower-case domain such as vault.azure.net", v.Domain))
		}
	}
	for name, choice := range map[string][3]string{"sandbox": {s.Sandbox, "prefer", "require"}, "swap": {s.Swap, "refuse", "warn"}, "issuer-builtin": {s.IssuerBuiltin, "on", "off"}, "throttling": {s.Throttling, "on", "off"}} {
		if choice[0] != choice[1] && choice[0] != choice[2] {
			wrong = append(wrong, fmt.Errorf("%s %q is neither %s nor %s", name, choice[0], choice[1], choice[2]))
		}
	}
	if s.SpoolBytes <= 0 {
		wrong = append(wrong, fmt.Errorf("spool-bytes %d is not positive", s.SpoolBytes))
	}
	if s.Memory < leastMemory {
		wrong = append(wrong, fmt.Errorf("memory %d is less than %d, with which queries can't run", s.Memory, leastMemory))
	}
	if s.CacheBytes <= 0 {
		wrong = append(wrong, fmt.Errorf("cache-bytes %d is not positive", s.CacheBytes))
	}
	wrong = append(wrong, s.Issuers.check(), s.External.check())
	if s.WitnessAccept != "" && s.WitnessAccept != "missing" && !isNumber.MatchString(s.WitnessAccept) {
		wrong = append(wrong, fmt.Errorf("witness-accept %q is neither the number of a statement nor missing", s.WitnessAccept))
	}
	if s.OutageGrace < 0 {
		wrong = append(wrong, fmt.Errorf("outage-grace %s is negative", s.OutageGrace))
	}
	return errors.Join(wrong...)
}

// read fills s, whose flags have been parsed, from all four places.
func (s *Settings) read(f *pflag.FlagSet, configFile string) error {
	given := map[string]string{}
	f.Visit(func(flag *pflag.Flag) { given[flag.Name] = flag.Value.String() })
	*s = DefaultSettings()
	if configFile == "" {
		configFile = os.Getenv("LOGKEEP_CONFIG")
	}
	if configFile != "" {
		if err := s.readFile(configFile); err != nil {
			return usageError{err}
		}
	}
	var wrong error
	f.VisitAll(func(flag *pflag.Flag) {
		if flag.Name == "config" || flag.Name == "help" {
			return
		}
		variable := "LOGKEEP_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		if list, ok := flag.Value.(interface{ empty() }); ok && (given[flag.Name] != "" || os.Getenv(variable) != "") {
			list.empty() // a flag is not beside what the file says, but instead of it
		}
		if value, ok := given[flag.Name]; ok {
			wrong = errors.Join(wrong, f.Set(flag.Name, value))
		} else if value := os.Getenv(variable); value != "" {
			// LOGKEEP_IMDS is also what `logkeep env` exports, as a URL.
			if err := f.Set(flag.Name, strings.TrimPrefix(value, "http://")); err != nil {
				wrong = errors.Join(wrong, fmt.Errorf("%s: %w", variable, err))
			}
		}
	})
	if err := errors.Join(wrong, s.check()); err != nil {
		return usageError{err}
	}
	if s.RootKey == "" {
		s.RootKey = strings.TrimRight(s.DataDir, "/") + ".rootkey"
	}
	return nil
}

func (s *Settings) readFile(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(s); err != nil && err != io.EOF {
		return fmt.Errorf("settings in %s: %w", path, err)
	}
	return nil
}

func addServing(root *cobra.Command, commands Commands, t terminal) {
	if commands.Serve != nil {
		var settings Settings
		var configFile string
		serve := &cobra.Command{
			Use: "serve", Short: "Run the server", Args: noArgs,
			Long: "Run the server until it is told to stop (Ctrl-C or SIGTERM).\n\nEvery flag can also be a variable (--data-dir: LOGKEEP_DATA_DIR) or a line of the YAML file\nthat --config names (data-dir: …); flag over variable over file.",
			RunE: func(c *cobra.Command, _ []string) error {
				if err := settings.read(c.Flags(), configFile); err != nil {
					return err
				}
				return commands.Serve(c.Context(), settings, t.out)
			},
		}
		settings.flags(serve.Flags())
		serve.Flags().StringVar(&configFile, "config", "", "YAML file with these settings (LOGKEEP_CONFIG)")
		root.AddCommand(serve)
	}
	child := func(name, short string, run func(ctx context.Context, args []string) error) {
		if run != nil {
			root.AddCommand(&cobra.Command{
				Use: name, Short: short, Hidden: true, DisableFlagParsing: true,
				RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), args) },
			})
		}
	}
	child("vault", "The process that holds keys; started by serve", commands.Vault)
	child("worker", "The process that opens data; started by serve", commands.Worker)
	queries := kqlCommand(t)
	root.AddCommand(queries)
	if commands.Score != nil {
		verbose := false
		score := &cobra.Command{
			Use: "score DIR", Short: "Measure the query language against a folder of cases", Hidden: true,
			Args: func(c *cobra.Command, args []string) error { return exactly(c, args, 1, "a folder") },
			RunE: func(_ *cobra.Command, args []string) error { return commands.Score(args[0], t.out, verbose) },
		}
		score.Flags().BoolVarP(&verbose, "verbose", "v", false, "show every case that failed")
		queries.AddCommand(score)
	}
}
