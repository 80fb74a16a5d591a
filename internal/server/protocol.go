package server

import (
	"crypto/tls"
	"strings"
)

// speaking has clients that can do both speak HTTP/2, and HTTP/1.1 where they bring
// rows: of a large body HTTP/2 copies each byte twice more in this process and
// hands each piece to another goroutine, and a small one pays for a connection that
// has buffers and goroutines for many. Who can do one only is understood everywhere
// (design 0064).
func speaking(c *tls.Config, domain string) *tls.Config {
	c.NextProtos = []string{"h2", "http/1.1"}
	rows := c.Clone()
	rows.NextProtos = []string{"http/1.1", "h2"}
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		name := strings.ToLower(hello.ServerName)
		if strings.HasSuffix(name, ".ingest."+domain) || strings.HasSuffix(name, ".ods."+domain) {
			return rows, nil
		}
		return nil, nil
	}
	return c
}
