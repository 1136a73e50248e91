"""What tests share: servers, processes, fixtures, cases, applications.  No tests."""
