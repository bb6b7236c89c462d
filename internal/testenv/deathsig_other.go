//go:build !linux

package testenv

import "syscall"

// endWithThread changes nothing: only Linux ends a process with the thread that
// started it.
func endWithThread(attr *syscall.SysProcAttr, _ syscall.Signal) *syscall.SysProcAttr { return attr }
