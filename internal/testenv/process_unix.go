//go:build unix

package testenv

import (
	"errors"
	"os"
	"syscall"
)

// OwnGroup starts a process in a group of its own.
func OwnGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// SignalGroup sends a signal to every process of a group.
func SignalGroup(group int, sig syscall.Signal) error { return syscall.Kill(-group, sig) }

// GroupGone tells whether no process of a group is left.
func GroupGone(group int) bool { return errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) }

// ProcessGone tells whether a process has ended.
func ProcessGone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// Freeze stops a process as it is, or lets it go on.
func Freeze(p *os.Process, frozen bool) error {
	if frozen {
		return p.Signal(syscall.SIGSTOP)
	}
	return p.Signal(syscall.SIGCONT)
}

// credential is the user that a process runs as.
func credential(uid, gid uint32) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
}
