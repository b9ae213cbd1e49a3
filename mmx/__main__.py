from mmx.cli.app import main

main()
