package testenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// Password is that of every NATS user of the shipped configuration.
const Password = "1e5-not-a-number"

// namespaces is how many namespaces the shared cluster knows: t1, t2, ...
const namespaces = 1000

// NATSConfig reads a shipped configuration of NATS, as the server does.
func NATSConfig(name string) (*server.Options, error) {
	_, self, _, ok := runtime.Caller(0)
	if !ok {
		return nil, errors.New("the source of the tests cannot be found")
	}
	for _, user := range []string{"PROVISION", "API", "INDEXER", "WORKER", "RECOVERY", "HOOK", "ROUTE"} {
		if err := os.Setenv("NATS_"+user+"_PASSWORD", `"`+Password+`"`); err != nil {
			return nil, err
		}
	}
	if err := os.Setenv("NATS_NAME", "nats-1"); err != nil {
		return nil, err
	}
	return server.ProcessConfigFile(filepath.Join(filepath.Dir(self), "../../deploy/nats", name))
}

// newGuardedNATS is a cluster with the shipped rights, for many namespaces.
func newGuardedNATS(dir string, size int) (*NATS, error) {
	return newNATS(dir, size, func(int) (*server.Options, error) {
		o, err := NATSConfig("nats.conf")
		if err != nil {
			return nil, err
		}
		shipped := o.Users
		for i := range namespaces {
			for _, u := range shipped {
				o.Users = append(o.Users, inNamespace(u, fmt.Sprintf("t%d", i+1)))
			}
		}
		return o, nil
	})
}

// inNamespace is a user of another namespace with the same rights.
func inNamespace(u *server.User, namespace string) *server.User {
	r := strings.NewReplacer("ac.main.", "ac."+namespace+".", "AC_MAIN_", "AC_"+strings.ToUpper(namespace)+"_")
	move := func(p *server.SubjectPermission) *server.SubjectPermission {
		out := &server.SubjectPermission{}
		for _, s := range p.Allow {
			out.Allow = append(out.Allow, r.Replace(s))
		}
		return out
	}
	return &server.User{Username: u.Username + "-" + namespace, Password: u.Password, Account: u.Account,
		Permissions: &server.Permissions{Publish: move(u.Permissions.Publish), Subscribe: move(u.Permissions.Subscribe), Response: u.Permissions.Response}}
}
