package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"logkeep/internal/catalog"
	"logkeep/internal/entra"
	"logkeep/internal/rbac"
	"logkeep/internal/vault/admin"
)

// Identity is what the faces of the directory, of roles, of subscriptions,
// groups and managed identities stand on.
type Identity struct {
	Issuer  *entra.Issuer
	Roles   *rbac.Authority
	Catalog *catalog.Catalog
	Vaults  vaultLister // the vaults of a scope, for lists of resources

	Outside *entra.Outside // nil: no issuer but the own is trusted
	Login   string         // the issuer where people sign in; "": here
}

type vaultLister interface {
	Vaults(ctx context.Context, r admin.Request) ([]admin.Vault, error)
}

// identityFaces are the faces of identity: Entra, Graph, and the part of ARM
// that every provider stands on.
func (s *server) identityFaces() []*face {
	return []*face{
		{name: "arm", hosts: s.mainHost, audiences: s.armAudiences(), dialect: armDialect, routes: join(
			s.metadataRoutes(), s.subscriptionRoutes(), s.groupRoutes(), s.resourceRoutes(), s.providerRoutes(),
			s.roleDefinitionRoutes(), s.roleAssignmentRoutes(), s.userIdentityRoutes(), s.aliasRoutes(),
		)},
		{name: "entra", hosts: s.mainHost, dialect: entraDialect, routes: s.entraRoutes()},
		{name: "graph", hosts: s.mainHost, audiences: entra.GraphAudiences(s.armAudiences()...), dialect: graphDialect, routes: s.graphRoutes()},
	}
}

func join(tables ...[]route) []route {
	var all []route
	for _, t := range tables {
		all = append(all, t...)
	}
	return all
}

// authority is a host name with the port that clients use.
func (s *server) authority(host string) string {
	if s.Port == 0 || s.Port == 443 {
		return host
	}
	return host + ":" + strconv.Itoa(s.Port)
}

// armAudiences are the names under which tokens for ARM are asked for.
func (s *server) armAudiences() []string {
	var urls []string
	for _, host := range []string{s.Domain, "localhost", "127.0.0.1"} {
		urls = append(urls, "https://"+s.authority(host))
	}
	return entra.ManagementAudiences(urls...)
}

// option reads a query parameter whose name is compared without regard to case.
func option(r *http.Request, name string) string {
	for k, v := range r.URL.Query() {
		if strings.EqualFold(k, name) && len(v) > 0 {
			return v[0]
		}
	}
	return ""
}
