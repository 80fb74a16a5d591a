package server

import (
	"os"
	"path/filepath"
	"strings"
)

// systemRoots returns the authorities that this machine trusts, as PEM, from
// the places where Go looks for them. Workers are given them: they can't open
// these files themselves.
func systemRoots() []byte {
	files := []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Alpine
		"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL 6
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/pki/tls/cacert.pem",                           // OpenELEC
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 7
		"/etc/ssl/cert.pem",                                 // Alpine
	}
	if named := os.Getenv("SSL_CERT_FILE"); named != "" {
		files = []string{named}
	}
	for _, path := range files {
		if text, err := os.ReadFile(path); err == nil {
			return text
		}
	}
	folders := []string{"/etc/ssl/certs", "/etc/pki/tls/certs"}
	if named := os.Getenv("SSL_CERT_DIR"); named != "" {
		folders = strings.Split(named, ":")
	}
	var all []byte
	for _, folder := range folders {
		found, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil {
			continue
		}
		for _, path := range found {
			if text, err := os.ReadFile(path); err == nil {
				all = append(append(all, text...), '\n')
			}
		}
	}
	return all
}
