"""What the stages share. Each module says in its first line what lives there. Packages import from those on their left
alone; plumbing are the modules beside this file:

plumbing <- schemas <- requests <- teachers <- students <- embedded_base
"""
