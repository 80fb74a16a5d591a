package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/catalog"
	"logkeep/internal/entra"
	"logkeep/internal/rbac"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/vault/admin"
)

// A gate verifies tokens for every face, the vault's included.
type gate struct {
	entra.Gate
	catalog   *catalog.Catalog
	audiences []string // of vaults
	first     string   // the issuer that people are sent to, if the own is switched off
}

func newGate(ctx context.Context, cfg Config, port int, issuer *entra.Issuer, cat *catalog.Catalog) (*gate, error) {
	tenants, err := cat.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if len(cfg.IssuerRoots) > 0 && !roots.AppendCertsFromPEM(cfg.IssuerRoots) {
		return nil, errors.New("issuer-roots holds no certificate in PEM form")
	}
	g := &gate{catalog: cat, Gate: entra.Gate{Own: issuer.Verifier, Closed: cfg.Closed}}
	for _, suffix := range []string{"vault.", "managedhsm."} {
		g.audiences = append(g.audiences, "https://"+suffix+cfg.Domain, "https://"+net.JoinHostPort(suffix+cfg.Domain, strconv.Itoa(port)))
	}
	g.audiences = entra.VaultAudiences(g.audiences...)
	var trusts []entra.Trust
	for _, t := range cfg.Issuers {
		if t.Tenant == "" {
			t.Tenant = tenants[0].ID
		}
		known := false
		for _, have := range tenants {
			known = known || strings.EqualFold(string(have.ID), string(t.Tenant))
		}
		if !known {
			return nil, fmt.Errorf("the issuer %s is trusted for the tenant %s, which does not exist", t.URL, t.Tenant)
		}
		trusts = append(trusts, t)
	}
	if len(trusts) > 0 {
		g.first = trusts[0].URL
	}
	if cfg.Closed {
		if len(trusts) == 0 {
			return nil, errors.New("the built-in issuer is switched off and no other is trusted: nobody could sign in; name one with --issuer")
		}
		issuer.Close("Sign-in with secrets is switched off at this server. Get a token from " + g.first + ".")
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, Proxy: http.ProxyFromEnvironment, MaxIdleConns: 4, IdleConnTimeout: time.Minute,
	}}
	g.Outside = entra.NewOutside(client, trusts...)
	return g, appoint(ctx, cat, tenants[0].ID, cfg.Admins)
}

// login is where people sign in when it is not here.
func (g *gate) login() string {
	if g.Closed {
		return g.first
	}
	return ""
}

// identify tells the vault what a token from outside says. A token that names a
// principal of the directory itself is refused: vaults know principals by
// their object ids alone.
func (g *gate) identify(ctx context.Context, token string) (admin.Claims, error) {
	refuse := func(err error) error {
		return admin.Refuse(http.StatusUnauthorized, "Unauthorized", "%s", err)
	}
	c, err := g.Outside.Verify(token, g.audiences)
	if err != nil {
		return admin.Claims{}, refuse(err)
	}
	p, err := g.catalog.Principal(ctx, c.Caller.ObjectID)
	if err == nil && p.Kind != entra.Outsider {
		return admin.Claims{}, refuse(fmt.Errorf("the object id %s is that of a principal of this directory", p.ObjectID))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return admin.Claims{}, err
	}
	return admin.Claims{Audience: "https://vault.azure.net", Expires: c.Until.Unix(), Tenant: string(c.Caller.Tenant), ObjectID: c.Caller.ObjectID, AppID: c.Caller.AppID}, nil
}

// appoint makes outside principals Owner of everything in a tenant.
func appoint(ctx context.Context, cat *catalog.Catalog, tenant schema.TenantID, admins []string) error {
	for _, who := range admins {
		id := strings.ToLower(who)
		if issuer, subject, named := strings.Cut(who, "#"); named {
			id = entra.ObjectIDOf(issuer, subject)
		} else if uuid.Validate(id) != nil || len(id) != 36 {
			return fmt.Errorf("--admin %s is neither an object id nor ISSUER#SUBJECT", who)
		}
		err := cat.Tx(ctx, func(tx *catalog.Tx) error {
			if _, err := entra.AddOutsider(ctx, tx, tenant, id, who); err != nil {
				return err
			}
			return tx.ChangeRoles(ctx, func(r rbac.Roles) (rbac.Change, error) {
				for _, a := range r.Assignments {
					if strings.EqualFold(a.Principal, id) && a.Role == rbac.Owner && a.Scope.Equal(resource.Root()) {
						return rbac.Change{}, nil
					}
				}
				return rbac.Change{Put: []rbac.Assignment{{
					Name: uuid.NewString(), Scope: resource.Root(), Tenant: tenant, Role: rbac.Owner,
					Principal: id, PrincipalType: "User", Description: "appointed with --admin", CreatedBy: id, UpdatedBy: id,
				}}}, nil
			})
		})
		if err != nil {
			return fmt.Errorf("appoint %s: %w", who, err)
		}
	}
	return nil
}
