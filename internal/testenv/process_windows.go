package testenv

import (
	"errors"
	"os"
	"syscall"
)

// What Windows has no equal for fails, so that a test that needs it does.

// OwnGroup starts a process in a group of its own.
func OwnGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// SignalGroup sends a signal to every process of a group.
func SignalGroup(int, syscall.Signal) error { return errors.ErrUnsupported }

// GroupGone tells whether no process of a group is left.
func GroupGone(int) bool { return false }

// ProcessGone tells whether a process has ended.
func ProcessGone(pid int) bool {
	p, err := os.FindProcess(pid) // opens it, if it is there
	if err != nil {
		return true
	}
	return p.Release() != nil
}

// Freeze stops a process as it is, or lets it go on.
func Freeze(*os.Process, bool) error { return errors.ErrUnsupported }

func credential(uint32, uint32) *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
