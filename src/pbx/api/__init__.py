"""The API: HTTP and JSON on the control socket, metrics and health on TCP; reads state, sends commands, no logic."""
