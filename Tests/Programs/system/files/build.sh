for f in *.c; do  if [ -f "$f" ]
then echo "$f"
fi; done
