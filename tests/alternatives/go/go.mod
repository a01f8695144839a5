module namestead.dev/registry/tests/alternatives/go

go 1.24
