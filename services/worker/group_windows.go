package worker

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// inherited are the variables of this process that a command gets.
var inherited = []string{"PATH", "PATHEXT", "SystemRoot", "TEMP", "TMP", "USERPROFILE", "LANG"}

// runGroup runs a command in a job object of its own, which ends with it and with
// this process: Windows ends what is in a job object when its last handle closes. The
// command begins suspended, so that nothing it starts is outside.
func runGroup(cmd *exec.Cmd) error {
	group, err := newGroup()
	if err != nil {
		return fmt.Errorf("make a job object: %w", err)
	}
	defer func() { _ = windows.CloseHandle(group) }() // and what was left behind ends
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_SUSPENDED | windows.CREATE_NEW_PROCESS_GROUP}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := admit(group, cmd.Process); err != nil {
		_ = cmd.Process.Kill() // it has not begun
		return errors.Join(fmt.Errorf("begin in a job object: %w", err), cmd.Wait())
	}
	return cmd.Wait()
}

func newGroup() (windows.Handle, error) {
	group, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, err
	}
	var limits windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(group, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err != nil {
		return 0, errors.Join(err, windows.CloseHandle(group))
	}
	return group, nil
}

// admit puts a process that is suspended into the job object and lets it begin.
func admit(group windows.Handle, p *os.Process) error {
	var failed error
	err := p.WithHandle(func(h uintptr) { failed = windows.AssignProcessToJobObject(group, windows.Handle(h)) })
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	return resume(uint32(p.Pid))
}

// resume lets a process go on, which has one thread as yet.
func resume(pid uint32) error {
	all, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPTHREAD, 0)
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(all) }()
	e := windows.ThreadEntry32{Size: uint32(unsafe.Sizeof(windows.ThreadEntry32{}))}
	for err = windows.Thread32First(all, &e); err == nil; err = windows.Thread32Next(all, &e) {
		if e.OwnerProcessID != pid {
			continue
		}
		thread, err := windows.OpenThread(windows.THREAD_SUSPEND_RESUME, false, e.ThreadID)
		if err != nil {
			return err
		}
		defer func() { _ = windows.CloseHandle(thread) }()
		_, err = windows.ResumeThread(thread)
		return err
	}
	return fmt.Errorf("find its thread: %w", err)
}

// interrupt asks a command that runGroup started, and all that it started, to end.
// Without a console, as in a service, nothing can be asked and the command is ended.
func interrupt(cmd *exec.Cmd) error {
	if windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(cmd.Process.Pid)) == nil {
		return nil
	}
	return cmd.Process.Kill()
}
