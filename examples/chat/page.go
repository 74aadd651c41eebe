package main

import (
	"embed"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
)

//go:embed web
var web embed.FS

// The official client in the browser's form: from npm's folder when it is there, and from its own CDN otherwise.
const (
	clientDir = "examples/peers/node/node_modules/socket.io-client/dist"
	clientCDN = "https://cdn.socket.io/4.8.3/"
)

// policy lets the page load its own files and the client, and nothing else.
const policy = "default-src 'self'; script-src 'self' https://cdn.socket.io; style-src 'self' 'unsafe-inline'; img-src data:"

// page serves the chat's page.
func page() http.Handler {
	files, err := fs.Sub(web, "web")
	if err != nil {
		return http.NotFoundHandler() // the folder is part of the program
	}
	mux := http.NewServeMux()
	mux.Handle("GET /client/", http.StripPrefix("/client/", client(findUp(clientDir))))
	mux.Handle("GET /", http.FileServerFS(files))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		mux.ServeHTTP(w, r)
	})
}

// client serves the files of the official client from dir, or names the place where they are.
func client(dir string) http.Handler {
	if dir == "" {
		return http.RedirectHandler(clientCDN+"socket.io.esm.min.js", http.StatusFound)
	}
	return http.FileServer(http.Dir(dir))
}

// findUp looks for a folder here and in the folders above; it returns "" when there is none.
func findUp(name string) string {
	dir, err := os.Getwd()
	for err == nil {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	return ""
}
