"""Verification: is an entry what it says?"""
