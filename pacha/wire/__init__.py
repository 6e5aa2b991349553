"""How it travels: SSH, the receiving side of scp, and the master behind them."""
