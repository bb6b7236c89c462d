package testenv

import "syscall"

// endWithThread sends the signal when the thread that started the process ends.
func endWithThread(attr *syscall.SysProcAttr, sig syscall.Signal) *syscall.SysProcAttr {
	attr.Pdeathsig = sig
	return attr
}
