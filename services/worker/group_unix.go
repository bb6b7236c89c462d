//go:build unix

package worker

import (
	"os"
	"os/exec"
	"syscall"
)

// inherited are the variables of this process that a command gets.
var inherited = []string{"PATH", "HOME", "LANG"}

// guard waits in a command's process group until its standard input ends,
// which is when this process does, however it ends, and kills the group: else
// the command would go on beside the next attempt.
const guard = `trap "" HUP INT TERM; read _; kill -9 0`

// runGroup runs a command in a process group of its own, which ends with it and
// with this process. Without a shell there is no guard.
func runGroup(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	group := cmd.Process.Pid
	in, alive, err := os.Pipe()
	if err == nil {
		g := exec.Command("sh", "-c", guard)
		g.Stdin, g.SysProcAttr = in, &syscall.SysProcAttr{Setpgid: true, Pgid: group}
		err = g.Start()
		in.Close()
		defer alive.Close()
		if err == nil {
			defer func() { _ = g.Wait() }() // killed with the group
		}
	}
	err = cmd.Wait()
	_ = syscall.Kill(-group, syscall.SIGKILL) // the guard and what was left behind
	return err
}

// interrupt asks a command that runGroup started, and all that it started, to end.
func interrupt(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
