// Package jobs hands out jobs and records what becomes of them: claims with fencing
// tokens, outcomes, retries, queues, schedules, logs. Who runs them is services/worker.
package jobs
