"""The leaderboard: entries, their verification, the board, and its pages."""
