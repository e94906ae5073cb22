"""What an operator looks at and acts on: workers, queues, slots, why a job waits, stuck jobs, switches."""
