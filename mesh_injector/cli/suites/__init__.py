"""Users' own tests of their templates: files of cases beside the templates, run offline through the engine that serves.

spec         what a test file says                       running      a case, decided and held against what it expects
loading      files to suites, everything checked         reports      results as text, JSON and JUnit XML
paths        what a path names in a pod                  snapshots    patches kept beside the test file
expectation  one expectation held against an outcome     scaffold     a first test file, from a source and pods
"""
