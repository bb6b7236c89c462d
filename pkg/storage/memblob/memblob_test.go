package memblob_test

import (
	"testing"

	"github.com/autocrud-go/autocrud/pkg/storage"
	"github.com/autocrud-go/autocrud/pkg/storage/memblob"
	"github.com/autocrud-go/autocrud/pkg/storage/storagetest"
)

func TestBlobs(t *testing.T) {
	storagetest.TestBlobs(t, func(*testing.T) storage.Blobs { return memblob.New() })
}
