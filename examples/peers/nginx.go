package peers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// nginxConfig is filled with the folder of the test, the port, the text of the location and the upstream's URL.
const nginxConfig = `
daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	map $http_upgrade $connection_upgrade { default upgrade; "" close; }
	server {
		listen 127.0.0.1:%[2]d;
		location / {
			proxy_pass %[4]s;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection $connection_upgrade;
			%[3]s
		}
	}
}
`

// Nginx starts an nginx in front of the server at the URL upstream, with further directives for its one location, and ends it when the test
// does. It returns the URL of nginx once that accepts connections.
func Nginx(tb testing.TB, upstream, directives string) string {
	tb.Helper()
	path, dir, log := program(tb, "nginx"), tb.TempDir(), &tail{}
	var err error
	for range 5 { // another process may take the port first
		port := FreePort(tb)
		config := filepath.Join(dir, "nginx.conf")
		if err = os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, port, directives, upstream), 0o600); err != nil {
			break
		}
		cmd := exec.Command(path, "-e", "stderr", "-p", dir, "-c", config)
		cmd.Stdout, cmd.Stderr = log, log
		var proc *process
		if proc, err = start(cmd); err != nil {
			break
		}
		tb.Cleanup(proc.kill)
		if err = proc.listens(hostPort(port)); err == nil {
			return "http://" + hostPort(port)
		}
	}
	tb.Fatalf("peers: nginx: %v\n%s", err, log)
	return ""
}

// listens waits until a process accepts connections.
func (p *process) listens(addr string) error {
	deadline := time.Now().Add(startTimeout)
	for {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		switch {
		case p.ended():
			return fmt.Errorf("ended instead of listening on %s: %w", addr, p.err)
		case err == nil:
			return conn.Close()
		case time.Now().After(deadline):
			return fmt.Errorf("does not listen on %s: %w", addr, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
