using Beam.Cli.Hosting;

using var host = CliHost.ForProcess();
return await Beam.Cli.BeamTool.RunAsync(args, host);
