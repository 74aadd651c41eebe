package peers

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel end the child when the test process dies without cleaning up, as it does after a test timeout.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
