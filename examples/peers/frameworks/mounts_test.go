package frameworks

import (
	"io"
	"log"
	"net/http"

	gingzip "github.com/gin-contrib/gzip"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/gorilla/handlers"
	"github.com/gorilla/mux"
	"github.com/klauspost/compress/gzhttp"
	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"
)

// The mounts put a server at a path with a middleware that compresses around it.
var compressing = map[string]wrap{
	"none": func(io http.Handler) http.Handler { return io },
	"chi": func(io http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(logging, middleware.Compress(5))
		r.Handle("/socket.io/", io)
		return r
	},
	"gin": func(io http.Handler) http.Handler {
		r := newGin()
		r.Use(gingzip.Gzip(gingzip.DefaultCompression))
		r.Any("/socket.io/", gin.WrapH(io))
		return r
	},
	"echo": func(io http.Handler) http.Handler {
		e := echo.New()
		e.Use(echomiddleware.Gzip())
		e.Any("/socket.io/", echo.WrapHandler(io))
		return e
	},
	"echo from 1,000 bytes": func(io http.Handler) http.Handler {
		e := echo.New()
		e.Use(echomiddleware.GzipWithConfig(echomiddleware.GzipConfig{MinLength: 1000}))
		e.Any("/socket.io/", echo.WrapHandler(io))
		return e
	},
	"gorilla": func(io http.Handler) http.Handler {
		r := mux.NewRouter()
		r.Use(handlers.CompressHandler)
		r.Handle("/socket.io/", io)
		return r
	},
	"gzhttp": func(io http.Handler) http.Handler { return gzhttp.GzipHandler(io) },
	"http.TimeoutHandler in gin": func(io http.Handler) http.Handler {
		r := newGin()
		r.Use(gingzip.Gzip(gingzip.DefaultCompression))
		r.Any("/socket.io/", gin.WrapH(http.TimeoutHandler(io, patience, "too late")))
		return r
	},
}

// logging is chi's Logger, to nowhere.
var logging = middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: log.New(io.Discard, "", 0)})

// newGin returns a gin without its output.
func newGin() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	return gin.New()
}
