package testenv

import (
	"os"
	"sync"
)

// shared servers serve all tests of a binary, each in a bucket or a namespace
// of its own.
var shared struct {
	sync.Mutex
	dir  string
	s3   *S3
	nats *NATS
}

// folder makes the folder of the shared servers; shared is locked.
func folder() error {
	if shared.dir != "" {
		return nil
	}
	dir, err := os.MkdirTemp("", "autocrud-servers-")
	shared.dir = dir
	return err
}

// SharedS3 is the one S3 server of a test binary; StopShared must follow.
func SharedS3() (*S3, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.s3 != nil {
		return shared.s3, nil
	}
	if err := folder(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(shared.dir+"/s3", 0o700); err != nil {
		return nil, err
	}
	s, err := NewS3(shared.dir + "/s3")
	if err == nil {
		shared.s3 = s
	}
	return s, err
}

// SharedNATS is the one cluster of three servers of a test binary; StopShared
// must follow. It has the rights that are shipped: of the namespace t1, services
// are the users api-t1, api-events-t1 and so on.
func SharedNATS() (*NATS, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.nats != nil {
		return shared.nats, nil
	}
	if err := folder(); err != nil {
		return nil, err
	}
	n, err := newGuardedNATS(shared.dir+"/nats", 3)
	if err == nil {
		shared.nats = n
	}
	return n, err
}

// StopShared ends all shared servers, Postgres too, and removes their folders.
func StopShared() {
	StopPostgres()
	shared.Lock()
	defer shared.Unlock()
	if shared.s3 != nil {
		shared.s3.Kill()
	}
	if shared.nats != nil {
		shared.nats.Stop()
	}
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	shared.s3, shared.nats, shared.dir = nil, nil, ""
}
