// Package frameworks tests Tandem behind the routers, middlewares and proxies that Go teams use. It is a module of its own, so that they are
// dependencies of these tests and not of the library.
package frameworks
