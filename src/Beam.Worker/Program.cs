return await Beam.Processes.ChildProcessMain.RunAsync(args);
