"""Which Isthmus this is; apart, so that no room imports the package itself, which names the library to its users."""

VERSION = "0.1.0"
