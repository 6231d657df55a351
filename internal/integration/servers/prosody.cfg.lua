{{- if .Packaged -}}
-- Debian's settings as they are, limits and all. What has to differ is below: who runs it, folders,
-- the log, ports, which are on loopback, the domain with its certificate, and WebSockets, which
-- Debian's has not. Accounts are written into its folder, with passwords that it hashes.
Include "{{.Settings}}"
s2s_ports = { }
{{- else -}}
-- Debian's default modules, with neither server-to-server links nor limits on rates.
modules_disabled = { "s2s" }
modules_enabled = {
	"disco", "roster", "saslauth", "tls",
	"blocklist", "bookmarks", "carbons", "pep", "private", "smacks", "vcard4", "vcard_legacy",
	"ping", "time", "uptime", "version",
}
authentication = "internal_plain"
{{- end}}
run_as_root = true -- in a test's own folder, on loopback
data_path = "{{.Dir}}"
pidfile = "{{.Dir}}/pid"
certificates = "{{.Dir}}"
log = { info = "*console" }
interfaces = { "127.0.0.1" }
c2s_ports = { {{.Port}} }
http_interfaces = { "127.0.0.1" }
http_ports = { {{.WebPort}} }
https_ports = { }
http_default_host = "{{.Domain}}" -- whatever it is called
c2s_require_encryption = {{not .Plain}}
allow_unencrypted_plain_auth = {{.Plain}}
consider_websocket_secure = true -- it is on loopback

VirtualHost "{{.Domain}}"
	ssl = { key = "{{.Key}}", certificate = "{{.Certificate}}" }
	modules_enabled = { "websocket" } -- more than those above
